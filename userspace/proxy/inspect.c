/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/inspect.h"

static const enum eg_reason json_reasons[] = {
	[JSON_SCAN_OK] = EG_REASON_allowed,
	[JSON_SCAN_MALFORMED] = EG_REASON_body_malformed,
	[JSON_SCAN_TOO_DEEP] = EG_REASON_body_too_deep,
	[JSON_SCAN_DUPLICATE] = EG_REASON_body_duplicate_key,
	[JSON_SCAN_ESCAPED] = EG_REASON_body_escaped_key,
	[JSON_SCAN_BAD_VALUE] = EG_REASON_body_bad_value,
	[JSON_SCAN_TOO_MANY] = EG_REASON_body_too_large,
	[JSON_SCAN_NO_MEMORY] = EG_REASON_body_too_large,
};

static const enum eg_reason form_reasons[] = {
	[FORM_SCAN_OK] = EG_REASON_allowed,
	[FORM_SCAN_MALFORMED] = EG_REASON_body_malformed,
	[FORM_SCAN_DUPLICATE] = EG_REASON_body_duplicate_key,
	[FORM_SCAN_BAD_VALUE] = EG_REASON_body_bad_value,
	[FORM_SCAN_TOO_MANY] = EG_REASON_body_too_large,
	[FORM_SCAN_NO_MEMORY] = EG_REASON_body_too_large,
};

/* The value of a field that may stand once; .p NULL when it is absent, *ret_twice when repeated. */
static struct slice only_field(const struct http_request *req, enum http_field_id id,
			       bool *ret_twice)
{
	struct slice v = { NULL, 0 };

	*ret_twice = false;
	for (size_t i = 0; i < req->n_fields; i++) {
		if (req->fields[i].id != id)
			continue;
		*ret_twice |= v.p != NULL;
		v = req->fields[i].value;
	}
	return v;
}

static bool is_encoded(const struct http_request *req)
{
	for (size_t i = 0; i < req->n_fields; i++)
		if (req->fields[i].id == HTTP_content_encoding && req->fields[i].value.n &&
		    !slice_ieq(req->fields[i].value, SLICE("identity")))
			return true;
	return false;
}

/* Splits "type/sub; parameters". */
static struct slice media_type(struct slice v, struct slice *ret_parameters)
{
	const char *semicolon = v.n ? memchr(v.p, ';', v.n) : NULL;
	size_t n = semicolon ? (size_t)(semicolon - v.p) : v.n;

	*ret_parameters = slice_trim(slice_of(v.p + n, v.n - n));
	return slice_trim(slice_of(v.p, n));
}

/* No parameter, or that the text is UTF-8: another character set would be read differently there.
 */
static bool is_utf8_at_most(struct slice parameters)
{
	static const char *const allowed[] = { "charset=utf-8", "charset=\"utf-8\"" };
	struct slice p = parameters;

	if (p.n == 0)
		return true;
	p = slice_trim(slice_of(p.p + 1, p.n - 1));
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (slice_ieq(p, slice_str(allowed[i])))
			return true;
	return p.n == 0;
}

static bool is_json(struct slice content_type)
{
	struct slice parameters, type = media_type(content_type, &parameters);

	return slice_ieq(type, SLICE("application/json")) && is_utf8_at_most(parameters);
}

static bool is_form(struct slice content_type)
{
	struct slice parameters, type = media_type(content_type, &parameters);

	return slice_ieq(type, SLICE("multipart/form-data")) && parameters.n;
}

static enum eg_reason begin_json(struct inspect *i, struct slice type, struct pool *pool)
{
	/* Without a Content-Type providers read JSON; anything but JSON said is not for here. */
	if (type.p && !is_json(type))
		return EG_REASON_body_type;
	i->json = json_scan_new(&i->plan->keys, INSPECT_DEPTH_MAX, pool);
	return i->json ? EG_REASON_allowed : EG_REASON_overloaded;
}

static enum eg_reason begin_form(struct inspect *i, struct slice type, struct pool *pool)
{
	if (!type.p || !is_form(type))
		return EG_REASON_body_type;
	i->form = form_scan_new(type, i->plan->names, i->plan->keys.n, pool);
	if (i->form)
		return EG_REASON_allowed;
	return errno == EINVAL ? EG_REASON_body_type : EG_REASON_overloaded;
}

/* Of a chunked one that is not known yet; nobody sends an empty one so. */
static bool has_body(const struct http_request *req)
{
	return req->body == HTTP_BODY_CHUNKED ||
	       (req->body == HTTP_BODY_LENGTH && req->content_length);
}

enum eg_reason inspect_begin(struct inspect *i, enum catalogue_body kind,
			     const struct inspect_plan *plan, const struct http_request *req,
			     uint64_t body_max, struct pool *pool)
{
	bool twice;
	struct slice type = only_field(req, HTTP_content_type, &twice);

	*i = (struct inspect){ .kind = kind, .plan = plan };
	if (req->body == HTTP_BODY_LENGTH && req->content_length > body_max)
		return EG_REASON_body_too_large;
	if (kind == CATALOGUE_BODY_NONE && has_body(req))
		return EG_REASON_body_type;
	if (kind != CATALOGUE_BODY_JSON && kind != CATALOGUE_BODY_MULTIPART)
		return EG_REASON_allowed;
	if (is_encoded(req))
		return EG_REASON_body_encoding;
	if (twice)
		return EG_REASON_body_type;
	return kind == CATALOGUE_BODY_JSON ? begin_json(i, type, pool) : begin_form(i, type, pool);
}

enum eg_reason inspect_feed(struct inspect *i, struct slice all, struct slice piece)
{
	if (i->json)
		return json_reasons[json_scan_feed(i->json, all)];
	return i->form ? form_reasons[form_scan_feed(i->form, piece)] : EG_REASON_allowed;
}

static bool json_asks_for_stream(const struct inspect *i)
{
	const struct json_scan_value *v;
	size_t n = json_scan_values(i->json, &v);

	for (size_t k = 0; k < n; k++)
		if ((int)v[k].key == i->plan->stream && v[k].type == JSON_SCAN_BOOL && v[k].number)
			return true;
	return false;
}

static bool form_asks_for_stream(const struct inspect *i)
{
	const struct form_scan_value *v;
	size_t n = form_scan_values(i->form, &v);

	for (size_t k = 0; k < n; k++)
		if ((int)v[k].key == i->plan->stream && slice_ieq(v[k].text, SLICE("true")))
			return true;
	return false;
}

enum eg_reason inspect_finish(struct inspect *i, struct slice all)
{
	enum eg_reason reason = EG_REASON_allowed;

	if (i->json) {
		reason = json_reasons[json_scan_finish(i->json, all)];
		i->wants_stream = reason == EG_REASON_allowed && json_asks_for_stream(i);
	} else if (i->form) {
		reason = form_reasons[form_scan_finish(i->form)];
		i->wants_stream = reason == EG_REASON_allowed && form_asks_for_stream(i);
	}
	return reason;
}

size_t inspect_memory(const struct inspect *i)
{
	return i->json ? json_scan_memory(i->json) : 0;
}

const char *inspect_key(const struct inspect *i)
{
	return i->json ? json_scan_key(i->json) : NULL;
}

static bool json_model(const struct inspect *i, size_t nth, struct slice *ret)
{
	const struct json_scan_value *v;
	size_t n = json_scan_values(i->json, &v);

	for (size_t k = 0; k < n; k++) {
		if ((int)v[k].key == i->plan->model && nth-- == 0) {
			*ret = v[k].text;
			return true;
		}
	}
	return false;
}

static bool form_model(const struct inspect *i, size_t nth, struct slice *ret)
{
	const struct form_scan_value *v;
	size_t n = form_scan_values(i->form, &v);

	for (size_t k = 0; k < n; k++) {
		if ((int)v[k].key == i->plan->model && nth-- == 0) {
			*ret = v[k].text;
			return true;
		}
	}
	return false;
}

bool inspect_model(const struct inspect *i, size_t nth, struct slice *ret)
{
	if (i->json)
		return json_model(i, nth, ret);
	return i->form && form_model(i, nth, ret);
}

void inspect_done(struct inspect *i)
{
	i->json = json_scan_free(i->json);
	i->form = form_scan_free(i->form);
}
