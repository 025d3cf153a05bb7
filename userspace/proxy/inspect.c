/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/inspect.h"

#define TYPES(t) (1u << JSON_SCAN_##t)

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

/* -1: no room, or no memory. */
static int want(struct inspect *i, struct slice path, unsigned types, struct pool *pool)
{
	struct slice copy;

	if (i->n_wants == JSON_SCAN_KEYS_MAX)
		return -1;
	copy = pool_dup(pool, path); /* adds the NUL */
	if (!copy.p)
		return -1;
	i->wants[i->n_wants] = (struct json_scan_want){ copy.p, types };
	return (int)i->n_wants++;
}

static bool plan(struct inspect *i, const struct catalogue_operation *op, struct pool *pool)
{
	if (op->model_path.n && (i->model = want(i, op->model_path, TYPES(STRING), pool)) < 0)
		return false;
	if (op->stream_path.n &&
	    (i->stream = want(i, op->stream_path, TYPES(BOOL) | TYPES(NULL), pool)) < 0)
		return false;
	for (size_t n = 0; n < op->n_max_tokens_paths; n++) {
		int at = want(i, op->max_tokens_paths[n], TYPES(UINT) | TYPES(NULL), pool);

		if (at < 0)
			return false;
		if (n == 0)
			i->max_tokens = at;
		i->n_max_tokens++;
	}
	/* No type is right for these: that one is there at all is a bad value. */
	for (size_t n = 0; n < op->n_refuse_paths; n++)
		if (want(i, op->refuse_paths[n], 0, pool) < 0)
			return false;
	return true;
}

static enum eg_reason begin_json(struct inspect *i, const struct catalogue_operation *op,
				 struct slice type, struct pool *pool)
{
	/* Without a Content-Type providers read JSON; anything but JSON said is not for here. */
	if (type.p && !is_json(type))
		return EG_REASON_body_type;
	if (!plan(i, op, pool))
		return EG_REASON_overloaded;
	i->json = json_scan_new(i->wants, i->n_wants, INSPECT_DEPTH_MAX, pool);
	return i->json ? EG_REASON_allowed : EG_REASON_overloaded;
}

static enum eg_reason begin_form(struct inspect *i, const struct catalogue_operation *op,
				 struct slice type, struct pool *pool)
{
	const char **names;

	if (!type.p || !is_form(type))
		return EG_REASON_body_type;
	if (!plan(i, op, pool))
		return EG_REASON_overloaded;
	names = pool_alloc(pool, JSON_SCAN_KEYS_MAX * sizeof(*names));
	if (!names)
		return EG_REASON_overloaded;
	for (unsigned n = 0; n < i->n_wants; n++)
		names[n] = i->wants[n].path;
	i->form = form_scan_new(type, names, i->n_wants, pool);
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

enum eg_reason inspect_begin(struct inspect *i, const struct catalogue_operation *op,
			     const struct http_request *req, uint64_t body_max, struct pool *pool)
{
	bool twice;
	struct slice type = only_field(req, HTTP_content_type, &twice);

	*i = (struct inspect){ .kind = op->body, .model = -1, .stream = -1, .max_tokens = -1 };
	if (req->body == HTTP_BODY_LENGTH && req->content_length > body_max)
		return EG_REASON_body_too_large;
	if (op->body == CATALOGUE_BODY_NONE && has_body(req))
		return EG_REASON_body_type;
	if (op->body != CATALOGUE_BODY_JSON && op->body != CATALOGUE_BODY_MULTIPART)
		return EG_REASON_allowed;
	if (is_encoded(req))
		return EG_REASON_body_encoding;
	if (twice)
		return EG_REASON_body_type;
	return op->body == CATALOGUE_BODY_JSON ? begin_json(i, op, type, pool)
					       : begin_form(i, op, type, pool);
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
		if ((int)v[k].key == i->stream && v[k].type == JSON_SCAN_BOOL && v[k].number)
			return true;
	return false;
}

static bool form_asks_for_stream(const struct inspect *i)
{
	const struct form_scan_value *v;
	size_t n = form_scan_values(i->form, &v);

	for (size_t k = 0; k < n; k++)
		if ((int)v[k].key == i->stream && slice_ieq(v[k].text, SLICE("true")))
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
		if ((int)v[k].key == i->model && nth-- == 0) {
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
		if ((int)v[k].key == i->model && nth-- == 0) {
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
