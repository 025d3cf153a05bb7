/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/answer.h"
#include "base/reason.h"

/* Takes value; false when there is none, which is how out of memory is passed on. */
static bool put(json_t *o, const char *key, json_t *value)
{
	return value && json_object_set_new(o, key, value) == 0;
}

static bool put_text(json_t *o, const char *key, struct slice s)
{
	return !s.n || put(o, key, json_stringn(s.p, s.n));
}

static bool put_headers(json_t *o, const struct policy_decision *d)
{
	json_t *headers = json_object();
	bool ok = headers;

	for (size_t i = 0; ok && i < d->n_headers; i++) {
		char name[64];

		(void)slice_copy(d->headers[i].name, name, sizeof(name));
		ok = put_text(headers, name, d->headers[i].value);
	}
	if (ok)
		return put(o, "headers", headers);
	json_decref(headers);
	return false;
}

json_t *answer_decision(const struct policy_decision *d)
{
	json_t *o = json_object();
	bool ok = o && put(o, "decision", json_string(reason_name(d->reason))) &&
		  put_text(o, "rule", d->rule) && put_text(o, "text", d->text) &&
		  put_text(o, "credential", d->credential);

	if (ok && d->max_tokens)
		ok = put(o, "max_tokens", json_integer((json_int_t)d->max_tokens));
	if (ok && d->n_headers)
		ok = put_headers(o, d);
	if (ok && d->shadow_rule.n)
		ok = put_text(o, "shadow_rule", d->shadow_rule) &&
		     put(o, "shadow_decision", json_string(reason_name(d->shadow_reason)));
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

json_t *answer_rule(const struct policy_explained *e)
{
	json_t *o = json_object();

	if (o && put_text(o, "id", e->id) && put(o, "effect", json_string(e->effect)) &&
	    put(o, "shadow", json_boolean(e->shadow)) &&
	    (e->is_open || put(o, "applies", json_boolean(e->applies))) &&
	    put_text(o, "failed", slice_str(e->failed)) && put_text(o, "label", e->label) &&
	    put_text(o, "wanted", e->wanted))
		return o;
	json_decref(o);
	return NULL;
}
