/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_write.h"

#include <errno.h>

#include "proto/h1_head.h"

/* Where bytes go; once they did not fit or were refused, it stays failed. */
struct writer {
	char *p;
	size_t n, size;
	int error;
};

static void put(struct writer *w, const char *p, size_t n)
{
	if (w->error)
		return;
	if (n > w->size - w->n) {
		w->error = -EMSGSIZE;
		return;
	}
	if (n)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void put_slice(struct writer *w, struct slice s)
{
	put(w, s.p, s.n);
}

/* Text that comes from outside: nothing in it may end the line. */
static void put_safe(struct writer *w, struct slice s)
{
	bool ends_line = false;

	for (size_t i = 0; i < s.n; i++)
		ends_line |= (s.p[i] == '\r') | (s.p[i] == '\n') | (s.p[i] == '\0');
	if (ends_line)
		w->error = -EINVAL;
	put_slice(w, s);
}

static void put_field(struct writer *w, struct slice name, struct slice value)
{
	put_safe(w, name);
	put(w, ": ", 2);
	put_safe(w, value);
	put(w, "\r\n", 2);
}

static size_t decimal(uint64_t v, char to[20])
{
	char tmp[20];
	size_t n = 0;

	do {
		tmp[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (size_t i = 0; i < n; i++)
		to[i] = tmp[n - 1 - i];
	return n;
}

static void put_number(struct writer *w, uint64_t v)
{
	char text[20];

	put(w, text, decimal(v, text));
}

static bool is_hop_by_hop(enum http_field_id id)
{
	switch (id) {
	case HTTP_connection:
	case HTTP_keep_alive:
	case HTTP_proxy_connection:
	case HTTP_proxy_authorization:
	case HTTP_proxy_authenticate:
	case HTTP_te:
	case HTTP_trailer:
	case HTTP_transfer_encoding:
	case HTTP_upgrade:
	case HTTP_expect:
	case HTTP_content_length:
		return true;
	default:
		return false;
	}
}

/* Connection names fields, beside what it mostly says alone. */
static bool names_fields(const struct http_field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].id == HTTP_connection && !slice_ieq(f[i].value, SLICE("keep-alive")) &&
		    !slice_ieq(f[i].value, SLICE("close")))
			return true;
	return false;
}

static void put_fields(struct writer *w, const struct http_field *f, size_t n, bool skip_host)
{
	bool has_list = names_fields(f, n);

	for (size_t i = 0; i < n; i++) {
		if (is_hop_by_hop(f[i].id) || (skip_host && f[i].id == HTTP_host) ||
		    (has_list && h1_connection_has(f, n, f[i].name)))
			continue;
		put_field(w, f[i].name, f[i].value);
	}
}

static void put_framing(struct writer *w, enum http_body body, uint64_t length)
{
	if (body == HTTP_BODY_LENGTH) {
		put_slice(w, SLICE("content-length: "));
		put_number(w, length);
		put(w, "\r\n", 2);
	} else if (body == HTTP_BODY_CHUNKED) {
		put_slice(w, SLICE("transfer-encoding: chunked\r\n"));
	}
}

ssize_t h1_write_request(char *to, size_t size, const struct http_request *r,
			 const struct h1_request_opts *o)
{
	struct writer w = { .p = to, .size = size };

	put_safe(&w, r->method);
	put(&w, " ", 1);
	put_safe(&w, r->target);
	put_slice(&w, SLICE(" HTTP/1.1\r\n"));
	put_field(&w, SLICE("host"), o->host);
	put_fields(&w, r->fields, r->n_fields, true);
	for (size_t i = 0; i < o->n_more; i++)
		put_field(&w, o->more[i].name, o->more[i].value);
	put_framing(&w, o->body, o->content_length);
	put(&w, "\r\n", 2);
	return w.error ? w.error : (ssize_t)w.n;
}

ssize_t h1_write_response(char *to, size_t size, const struct http_response *r,
			  const struct h1_response_opts *o)
{
	struct writer w = { .p = to, .size = size };
	char status[4] = { (char)('0' + r->status / 100 % 10), (char)('0' + r->status / 10 % 10),
			   (char)('0' + r->status % 10), ' ' };

	put_slice(&w, SLICE("HTTP/1.1 "));
	put(&w, status, 4);
	put_safe(&w, r->reason);
	put(&w, "\r\n", 2);
	put_fields(&w, r->fields, r->n_fields, false);
	for (size_t i = 0; i < o->n_more; i++)
		put_field(&w, o->more[i].name, o->more[i].value);
	if (r->status >= 200 && r->status != 204) {
		if ((o->is_head || r->status == 304) && r->body == HTTP_BODY_LENGTH)
			put_framing(&w, HTTP_BODY_LENGTH, r->content_length);
		else if (!o->is_head && r->status != 304) {
			if (o->body == HTTP_BODY_NONE)
				put_framing(&w, HTTP_BODY_LENGTH, 0);
			else
				put_framing(&w, o->body, r->content_length);
		}
	}
	if (o->close)
		put_slice(&w, SLICE("connection: close\r\n"));
	put(&w, "\r\n", 2);
	return w.error ? w.error : (ssize_t)w.n;
}

size_t h1_chunk_head(char to[H1_CHUNK_HEAD_MAX], size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char tmp[16];
	size_t k = 0, at = 0;

	do {
		tmp[k++] = digits[n & 15];
		n >>= 4;
	} while (n);
	while (k > 0)
		to[at++] = tmp[--k];
	to[at++] = '\r';
	to[at++] = '\n';
	return at;
}

/* RFC 9110 6.5.1: what must not come in a trailer. */
static bool is_forbidden_trailer(enum http_field_id id)
{
	return is_hop_by_hop(id) || id == HTTP_host || id == HTTP_authorization ||
	       id == HTTP_set_cookie || id == HTTP_cookie || id == HTTP_content_type ||
	       id == HTTP_content_encoding;
}

ssize_t h1_chunk_end(char *to, size_t size, const struct http_field *trailers, size_t n_trailers)
{
	struct writer w = { .p = to, .size = size };

	put_slice(&w, SLICE("0\r\n"));
	for (size_t i = 0; i < n_trailers; i++)
		if (!is_forbidden_trailer(trailers[i].id))
			put_field(&w, trailers[i].name, trailers[i].value);
	put(&w, "\r\n", 2);
	return w.error ? w.error : (ssize_t)w.n;
}
