/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_head.h"

#define HOST_MAX       253u
#define FIELDS_FIRST   24u
#define CONNECTION_MAX 32u

const char h1_too_many[] = "too many header fields";

static const char no_memory[] = "the head does not fit in memory";

#define TCHAR 1u
#define VALUE 2u /* may stand in a field value */
#define HOSTC 4u /* may stand in a host name */
#define PATHC 8u /* may stand in a request target */

static const unsigned char classes[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = TCHAR | VALUE | PATHC,
	['"'] = VALUE,
	['#'] = TCHAR | VALUE,
	['$' ... '\''] = TCHAR | VALUE | PATHC,
	['(' ... ')'] = VALUE | PATHC,
	['*' ... '+'] = TCHAR | VALUE | PATHC,
	[','] = VALUE | PATHC,
	['-' ... '.'] = TCHAR | VALUE | HOSTC | PATHC,
	['/'] = VALUE | PATHC,
	['0' ... '9'] = TCHAR | VALUE | HOSTC | PATHC,
	[':' ... ';'] = VALUE | PATHC,
	['<'] = VALUE,
	['='] = VALUE | PATHC,
	['>'] = VALUE,
	['?' ... '@'] = VALUE | PATHC,
	['A' ... 'Z'] = TCHAR | VALUE | HOSTC | PATHC,
	['['] = VALUE | PATHC,
	['\\'] = VALUE,
	[']'] = VALUE | PATHC,
	['^'] = TCHAR | VALUE,
	['_'] = TCHAR | VALUE | HOSTC | PATHC,
	['`'] = TCHAR | VALUE,
	['a' ... 'z'] = TCHAR | VALUE | HOSTC | PATHC,
	['{'] = VALUE | PATHC,
	['|'] = TCHAR | VALUE | PATHC,
	['}'] = VALUE | PATHC,
	['~'] = TCHAR | VALUE | PATHC,
	[0x80 ... 0xff] = VALUE,
};

static bool all_are(struct slice s, unsigned class)
{
	unsigned both = class;

	for (size_t i = 0; i < s.n; i++)
		both &= classes[(unsigned char)s.p[i]];
	return both == class;
}

/* Cuts the next line, without its CR LF, off the front. A CR or LF elsewhere is not in any class.
 */
static bool take_line(struct slice *rest, struct slice *ret)
{
	const char *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n = lf ? (size_t)(lf - rest->p) : 0;

	if (!lf || n == 0 || lf[-1] != '\r')
		return false;
	*ret = slice_of(rest->p, n - 1);
	*rest = slice_of(lf + 1, rest->n - n - 1);
	return true;
}

/* "content_length": some servers read it as the field it imitates. */
static bool imitates(struct slice name)
{
	char plain[32];

	if (name.n > sizeof(plain) || !memchr(name.p, '_', name.n))
		return false;
	for (size_t i = 0; i < name.n; i++)
		plain[i] = name.p[i] == '_' ? '-' : name.p[i];
	return http_field_id(slice_of(plain, name.n)) != HTTP_other;
}

static const char *add_field(struct h1_fields *f, size_t *size, struct http_field field)
{
	struct http_field *more;

	if (f->n >= f->max)
		return h1_too_many;
	if (f->n == *size) {
		*size = *size ? *size * 2 : FIELDS_FIRST;
		more = pool_alloc(f->pool, *size * sizeof(*more));
		if (!more)
			return no_memory;
		if (f->n)
			memcpy(more, f->p, f->n * sizeof(*more));
		f->p = more;
	}
	f->p[f->n++] = field;
	return NULL;
}

static const char *read_field(struct slice line, struct http_field *ret)
{
	const char *colon = memchr(line.p, ':', line.n);
	size_t n = colon ? (size_t)(colon - line.p) : 0;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return "a folded header line";
	ret->name = slice_of(line.p, n);
	if (n == 0 || !all_are(ret->name, TCHAR))
		return "a malformed field name";
	ret->value = slice_of(colon + 1, line.n - n - 1);
	if (!all_are(ret->value, VALUE))
		return "a control character in a field value";
	ret->value = slice_trim(ret->value);
	ret->id = http_field_id(ret->name);
	if (ret->id == HTTP_other && imitates(ret->name))
		return "a field name with underscores imitates another";
	return NULL;
}

static const char *read_fields(struct slice rest, struct h1_fields *f)
{
	struct http_field field;
	struct slice line;
	const char *why;
	size_t size = 0;

	for (;;) {
		if (!take_line(&rest, &line))
			return "a line that does not end in CR LF";
		if (line.n == 0)
			return rest.n ? "bytes after the empty line" : NULL;
		why = read_field(line, &field);
		if (!why)
			why = add_field(f, &size, field);
		if (why)
			return why;
	}
}

bool h1_connection_has(const struct http_field *f, size_t n, struct slice token)
{
	for (size_t i = 0; i < n; i++) {
		struct slice v = f[i].value;

		if (f[i].id != HTTP_connection)
			continue;
		while (v.n) {
			const char *comma = memchr(v.p, ',', v.n);
			size_t len = comma ? (size_t)(comma - v.p) : v.n;

			if (slice_ieq(slice_trim(slice_of(v.p, len)), token))
				return true;
			len += comma ? 1 : 0;
			v = slice_of(v.p + len, v.n - len);
		}
	}
	return false;
}

/* Fields that egret decides by may not be named as hop-by-hop: they would vanish on the way. */
static bool is_end_to_end(struct slice name)
{
	switch (http_field_id(name)) {
	case HTTP_host:
	case HTTP_content_length:
	case HTTP_content_type:
	case HTTP_content_encoding:
	case HTTP_authorization:
	case HTTP_x_api_key:
	case HTTP_api_key:
	case HTTP_x_goog_api_key:
	case HTTP_cookie:
	case HTTP_set_cookie:
		return true;
	default:
		return false;
	}
}

/* The elements of one Connection field; *n counts them over all such fields, as each is looked for
 * among all fields when the head is written. */
static const char *check_connection(struct slice list, unsigned *n)
{
	while (list.n) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t len = comma ? (size_t)(comma - list.p) : list.n;

		if (is_end_to_end(slice_trim(slice_of(list.p, len))))
			return "Connection names an end-to-end field";
		if (++*n > CONNECTION_MAX)
			return "Connection has too many elements";
		len += comma ? 1 : 0;
		list = slice_of(list.p + len, list.n - len);
	}
	return NULL;
}

static const char *check_once(const struct h1_fields *f, bool is_request)
{
	const unsigned framing = 1u << HTTP_content_length | 1u << HTTP_transfer_encoding;
	const unsigned once = framing | 1u << HTTP_host | 1u << HTTP_content_type |
			      1u << HTTP_authorization | 1u << HTTP_content_encoding |
			      1u << HTTP_expect;
	unsigned seen = 0, n_elements = 0;
	const char *why = NULL;

	_Static_assert(HTTP_FIELD_COUNT <= 32, "a bit for each");
	for (size_t i = 0; !why && i < f->n; i++) {
		unsigned bit = 1u << f->p[i].id;

		if (seen & bit & (is_request ? once : framing))
			why = "a field that must stand once stands twice";
		else if (f->p[i].id == HTTP_connection)
			why = check_connection(f->p[i].value, &n_elements);
		seen |= bit;
	}
	return why;
}

static bool read_length(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 18)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return true;
}

static const char *check_framing(const struct h1_fields *f, bool http10, enum http_body *ret_body,
				 uint64_t *ret_length)
{
	const struct http_field *cl = http_find(f->p, f->n, HTTP_content_length);
	const struct http_field *te = http_find(f->p, f->n, HTTP_transfer_encoding);

	*ret_body = HTTP_BODY_NONE;
	*ret_length = 0;
	if (te && cl)
		return "Content-Length and Transfer-Encoding together";
	if (te && http10)
		return "Transfer-Encoding in HTTP/1.0";
	if (te && !slice_ieq(te->value, SLICE("chunked")))
		return "a Transfer-Encoding other than chunked";
	if (cl && !read_length(cl->value, ret_length))
		return "Content-Length is not a number";
	if (te)
		*ret_body = HTTP_BODY_CHUNKED;
	else if (cl)
		*ret_body = HTTP_BODY_LENGTH;
	return NULL;
}

static bool keeps_alive(const struct h1_fields *f, bool http10)
{
	if (h1_connection_has(f->p, f->n, SLICE("close")))
		return false;
	return !http10 || h1_connection_has(f->p, f->n, SLICE("keep-alive"));
}

/* A name with an optional port; :443 is left out. Literals never match a TLS server name. */
static const char *check_host(struct slice v, struct slice *ret)
{
	const char *colon = v.n ? memchr(v.p, ':', v.n) : NULL;
	struct slice name = slice_of(v.p, colon ? (size_t)(colon - v.p) : v.n), port;

	if (name.n == 0 || name.n > HOST_MAX || !all_are(name, HOSTC))
		return "a malformed Host";
	*ret = v;
	if (!colon)
		return NULL;
	port = slice_of(colon + 1, v.n - name.n - 1);
	if (port.n == 0 || port.n > 5)
		return "a malformed Host";
	for (size_t i = 0; i < port.n; i++)
		if (port.p[i] < '0' || port.p[i] > '9')
			return "a malformed Host";
	if (slice_eq(port, SLICE("443")))
		*ret = name;
	return NULL;
}

static bool read_version(struct slice s, bool *ret_http10)
{
	*ret_http10 = slice_eq(s, SLICE("HTTP/1.0"));
	return *ret_http10 || slice_eq(s, SLICE("HTTP/1.1"));
}

/* "METHOD SP TARGET SP VERSION", one space each. */
static const char *read_request_line(struct slice line, struct http_request *ret, bool *ret_http10)
{
	const char *a = memchr(line.p, ' ', line.n), *b;
	size_t left = a ? line.n - (size_t)(a + 1 - line.p) : 0;

	b = left ? memchr(a + 1, ' ', left) : NULL;
	if (!a || !b)
		return "a malformed request line";
	ret->method = slice_of(line.p, (size_t)(a - line.p));
	ret->target = slice_of(a + 1, (size_t)(b - a - 1));
	if (!read_version(slice_of(b + 1, line.n - (size_t)(b + 1 - line.p)), ret_http10))
		return "an HTTP version other than 1.0 and 1.1";
	for (size_t i = 0; i < ret->method.n; i++)
		if ((ret->method.p[i] < 'A' || ret->method.p[i] > 'Z') && ret->method.p[i] != '-')
			return "a malformed method";
	if (slice_eq(ret->target, SLICE("*")) && slice_eq(ret->method, SLICE("OPTIONS")))
		return NULL;
	if (ret->target.n == 0 || ret->target.p[0] != '/')
		return "the request target is not in origin form";
	if (!all_are(ret->target, PATHC))
		return "the request target has a character it may not have";
	return NULL;
}

static const char *check_request(struct h1_fields *f, bool http10, struct http_request *ret)
{
	const struct http_field *host = http_find(f->p, f->n, HTTP_host);
	const struct http_field *expect = http_find(f->p, f->n, HTTP_expect);
	const char *why = check_framing(f, http10, &ret->body, &ret->content_length);

	if (why)
		return why;
	if (ret->body == HTTP_BODY_LENGTH && ret->content_length == 0)
		ret->body = HTTP_BODY_NONE;
	if (!host)
		return "no Host";
	if (expect && !slice_ieq(expect->value, SLICE("100-continue")))
		return "an Expect other than 100-continue";
	ret->expect_continue = expect && !http10 && ret->body != HTTP_BODY_NONE;
	ret->keep_alive = keeps_alive(f, http10);
	ret->upgrade = http_find(f->p, f->n, HTTP_upgrade) ||
		       h1_connection_has(f->p, f->n, SLICE("upgrade"));
	return check_host(host->value, &ret->host);
}

const char *h1_head_request(struct slice head, struct h1_fields *f, struct http_request *ret,
			    bool *ret_http10)
{
	struct slice line;
	const char *why;

	*ret = (struct http_request){ 0 };
	if (!take_line(&head, &line) || line.n == 0)
		return "a malformed request line";
	why = read_request_line(line, ret, ret_http10);
	if (!why)
		why = read_fields(head, f);
	if (!why)
		why = check_once(f, true);
	if (!why)
		why = check_request(f, *ret_http10, ret);
	ret->fields = f->p;
	ret->n_fields = f->n;
	return why;
}

/* "VERSION SP STATUS [SP REASON]". */
static const char *read_status_line(struct slice line, struct http_response *ret, bool *ret_http10)
{
	if (line.n < 12 || line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' ') ||
	    !read_version(slice_of(line.p, 8), ret_http10))
		return "a malformed status line";
	for (size_t i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return "a malformed status line";
		ret->status = ret->status * 10 + (unsigned)(line.p[i] - '0');
	}
	ret->reason = line.n > 13 ? slice_of(line.p + 13, line.n - 13) : SLICE("");
	if (ret->status < 100 || ret->status > 599 || !all_are(ret->reason, VALUE))
		return "a malformed status line";
	return ret->status == 101 ? "a change of protocol nobody asked for" : NULL;
}

const char *h1_head_response(struct slice head, struct h1_fields *f, struct http_response *ret,
			     bool *ret_http10)
{
	struct slice line;
	const char *why;

	*ret = (struct http_response){ 0 };
	if (!take_line(&head, &line))
		return "a malformed status line";
	why = read_status_line(line, ret, ret_http10);
	if (!why)
		why = read_fields(head, f);
	if (!why)
		why = check_once(f, false);
	if (!why)
		why = check_framing(f, *ret_http10, &ret->body, &ret->content_length);
	if (!why && (ret->status < 200 || ret->status == 204) &&
	    (ret->body == HTTP_BODY_CHUNKED || ret->content_length))
		why = "a status that has no body announces one";
	ret->keep_alive = keeps_alive(f, *ret_http10);
	ret->fields = f->p;
	ret->n_fields = f->n;
	return why;
}

const char *h1_head_trailers(struct slice section, struct h1_fields *f)
{
	const char *why = read_fields(section, f);

	for (size_t i = 0; !why && i < f->n; i++)
		if (f->p[i].id == HTTP_host || f->p[i].id == HTTP_content_length ||
		    f->p[i].id == HTTP_transfer_encoding)
			why = "a framing field among the trailers";
	return why;
}
