/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/egress.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proto/h1_write.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/state.h"
#include "tls/stream.h"
#include "upstream/pool.h"

#define RECORD_MAX ((size_t)16384) /* plaintext of one TLS record */

static bool is_kept(const struct exchange *x)
{
	return x->inspect.kind == CATALOGUE_BODY_JSON ||
	       x->inspect.kind == CATALOGUE_BODY_MULTIPART;
}

/* Fields by which some servers take another method or path than the request line's: policy has seen
 * the request line. */
static const struct slice overrides[] = {
	{ "x-http-method-override", 22 }, { "x-http-method", 13 }, { "x-method-override", 17 },
	{ "x-original-url", 14 },	  { "x-rewrite-url", 13 },
};

/* In any case, and with '_' for '-': servers behind CGI and its kin cannot tell them apart. */
static bool is_name(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		char x = ascii_lower(a.p[i]), y = ascii_lower(b.p[i]);

		if ((x == '_' ? '-' : x) != (y == '_' ? '-' : y))
			return false;
	}
	return true;
}

static bool is_override(const struct http_field *f)
{
	if (f->id != HTTP_other || f->name.n < 13 || ascii_lower(f->name.p[0]) != 'x')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(overrides); i++)
		if (is_name(f->name, overrides[i]))
			return true;
	return false;
}

static bool is_ours(const struct exchange *x, const struct http_field *f)
{
	if (f->id == HTTP_accept_encoding || is_override(f))
		return true;
	for (size_t i = 0; i < x->egress.n_more; i++)
		if (is_name(f->name, x->egress.more[i].name))
			return true;
	return false;
}

size_t egress_strip(const struct exchange *x, struct http_field *f, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_ours(x, &f[i]))
			f[kept++] = f[i];
	return kept;
}

int egress_prepare(struct exchange *x)
{
	const struct catalogue_provider *p = catalogue_provider(x->gen->catalogue, x->provider);
	struct egress *e = &x->egress;

	e->more = pool_zalloc(x->pool, (x->verdict.n_headers + 2) * sizeof(*e->more));
	if (!e->more)
		return -ENOMEM;
	for (size_t i = 0; i < x->verdict.n_headers; i++)
		e->more[e->n_more++] =
			(struct http_field){ x->verdict.headers[i].name,
					     x->verdict.headers[i].value, HTTP_other };
	/* So that what passes can be read without decompressors. */
	e->more[e->n_more++] = (struct http_field){ SLICE("accept-encoding"), SLICE("identity"),
						    HTTP_accept_encoding };
	if (p->credential_field.n)
		e->more[e->n_more++].name = p->credential_field;
	x->req->n_fields = egress_strip(x, x->req->fields, x->req->n_fields);
	return 0;
}

void egress_restart(struct exchange *x)
{
	x->egress.first = x->egress.body_at = 0;
	x->egress.sent = 0;
	x->egress.head_sent = x->egress.failed = false;
}

/* The credential with what stands before it, behind the room for head and body. */
static int put_credential(struct exchange *x)
{
	struct slice prefix = catalogue_provider(x->gen->catalogue, x->provider)->credential_prefix;
	struct slice key = secret_slice(&x->lease->key);
	size_t at = x->w->head_room + RECORD_MAX;
	char *to = x->w->egress.p + at;

	if (prefix.n + key.n > x->w->egress.size - at)
		return -EMSGSIZE;
	if (prefix.n)
		memcpy(to, prefix.p, prefix.n);
	memcpy(to + prefix.n, key.p, key.n);
	x->egress.more[x->egress.n_more - 1].value = slice_of(to, prefix.n + key.n);
	return 0;
}

/* Servers ask for a length where the method goes with a body, also of none (RFC 9110 8.6). */
static bool says_length_of_none(const struct http_request *r)
{
	return r->body == HTTP_BODY_NONE &&
	       (http_find(r->fields, r->n_fields, HTTP_content_length) ||
		slice_eq(r->method, SLICE("POST")) || slice_eq(r->method, SLICE("PUT")) ||
		slice_eq(r->method, SLICE("PATCH")));
}

/* The name we decided on; with a port, as the client gave it, where it is not 443. */
static struct slice host_of(const struct exchange *x)
{
	struct slice name = caller_host(x->caller);

	return x->req->host.n > name.n ? x->req->host : name;
}

static ssize_t put_head(struct exchange *x)
{
	struct h1_request_opts o = { .more = x->egress.more,
				     .n_more = x->egress.n_more,
				     .host = host_of(x),
				     .body = x->req->body,
				     .content_length = x->req->content_length };
	int r = x->lease ? put_credential(x) : 0;

	if (r < 0)
		return r;
	if (is_kept(x) && x->req->body != HTTP_BODY_NONE) {
		o.body = HTTP_BODY_LENGTH;
		o.content_length = buf_len(&x->body);
	}
	if (says_length_of_none(x->req)) {
		o.body = HTTP_BODY_LENGTH;
		o.content_length = 0;
	}
	return h1_write_request(x->w->egress.p, x->w->head_room, x->req, &o);
}

static void wipe(struct exchange *x, size_t n)
{
	size_t at = x->w->head_room + RECORD_MAX;

	explicit_bzero(x->w->egress.p, n);
	if (!x->lease)
		return;
	explicit_bzero(x->w->egress.p + at, x->egress.more[x->egress.n_more - 1].value.n);
	x->egress.more[x->egress.n_more - 1].value = (struct slice){ NULL, 0 };
}

/* Head and as much body as fits one record with it, in one write. */
static int send_first(struct exchange *x)
{
	struct egress *e = &x->egress;
	struct slice body = buf_slice(&x->body);
	ssize_t head = put_head(x), r;
	size_t n, with;

	if (head < 0) {
		wipe(x, x->w->head_room);
		return (int)head;
	}
	with = (size_t)head < RECORD_MAX ? RECORD_MAX - (size_t)head : 0;
	with = body.n < with ? body.n : with;
	if (with)
		memcpy(x->w->egress.p + head, body.p, with);
	n = (size_t)head + with;
	r = stream_write(x->up->ssl, x->w->egress.p + e->first, n - e->first);
	wipe(x, (size_t)head);
	if (r < 0)
		return (int)r;
	e->first += (size_t)r;
	e->sent += (size_t)r;
	if (e->first < n)
		return 0;
	e->head_sent = true;
	if (is_kept(x)) {
		e->body_at = with;
	} else if (with) {
		e->consumed = true;
		buf_consume(&x->body, with);
	}
	return 0;
}

static int send_body(struct exchange *x)
{
	struct egress *e = &x->egress;
	struct slice s = buf_slice(&x->body);
	ssize_t r;

	if (is_kept(x))
		s = slice_of(s.p + e->body_at, s.n - e->body_at);
	if (s.n == 0)
		return 0;
	r = stream_write(x->up->ssl, s.p, s.n);
	if (r < 0)
		return (int)r;
	e->sent += (size_t)r;
	if (is_kept(x)) {
		e->body_at += (size_t)r;
	} else {
		e->consumed = true;
		buf_consume(&x->body, (size_t)r);
	}
	return 0;
}

static bool has_more(const struct exchange *x)
{
	return is_kept(x) ? x->egress.body_at < buf_len(&x->body) : buf_len(&x->body) > 0;
}

int egress_run(struct exchange *x)
{
	struct egress *e = &x->egress;
	int r = 0;

	while (r == 0 && !e->failed && !e->head_sent)
		r = send_first(x);
	while (r == 0 && !e->failed && has_more(x))
		r = send_body(x);
	if (!is_kept(x))
		blocks_reclaim(&x->w->blocks, &x->body);
	e->failed |= r == -EPIPE;
	return e->failed ? -EPIPE : r;
}

bool egress_is_done(const struct exchange *x)
{
	return x->egress.head_sent && x->egress.ended && !has_more(x);
}

bool egress_is_full(const struct exchange *x)
{
	return !is_kept(x) && buf_len(&x->body) >= x->w->set.buffer_bytes;
}

int egress_body(struct exchange *x, struct slice piece)
{
	char head[H1_CHUNK_HEAD_MAX];
	int r = blocks_lend(&x->w->blocks, &x->body);

	if (r < 0)
		return r;
	if (x->req->body != HTTP_BODY_CHUNKED)
		return buf_append_slice(&x->body, piece);
	r = buf_append(&x->body, head, h1_chunk_head(head, piece.n));
	if (r == 0)
		r = buf_append_slice(&x->body, piece);
	return r < 0 ? r : buf_append_slice(&x->body, SLICE("\r\n"));
}

int egress_end(struct exchange *x, const struct http_field *trailers, size_t n_trailers)
{
	size_t room = x->w->set.head_bytes + 8;
	ssize_t n;
	char *to;
	int r;

	x->egress.ended = true;
	if (is_kept(x) || x->req->body != HTTP_BODY_CHUNKED)
		return 0;
	r = blocks_lend(&x->w->blocks, &x->body);
	if (r < 0)
		return r;
	if (n_trailers == 0)
		return buf_append_slice(&x->body, SLICE("0\r\n\r\n"));
	to = buf_reserve(&x->body, room);
	if (!to)
		return -errno;
	n = h1_chunk_end(to, room, trailers, n_trailers);
	if (n < 0)
		return (int)n;
	buf_commit(&x->body, (size_t)n);
	return 0;
}

/* Bytes of this connection that the provider's host has not acknowledged: what a process there
 * cannot have seen. */
static uint64_t unacknowledged(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 ||
	    n < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans))
		return 0;
	/* The acknowledged count includes the SYN. */
	info.tcpi_bytes_acked -= info.tcpi_bytes_acked > 0;
	info.tcpi_bytes_sent -= info.tcpi_bytes_retrans;
	return info.tcpi_bytes_sent > info.tcpi_bytes_acked
		       ? info.tcpi_bytes_sent - info.tcpi_bytes_acked
		       : 0;
}

bool egress_may_retry(const struct exchange *x)
{
	const struct egress *e = &x->egress;

	if (x->retried || x->got_bytes || e->consumed)
		return false;
	/* With nothing sent there is nothing to repeat. Else: the provider closed a connection it
	 * had kept for us before the request reached it. What is sent is longer than the request by
	 * TLS's own framing, so this errs towards not repeating. */
	return e->sent == 0 || (x->up->reused && unacknowledged(x->up->fd) >= e->sent);
}
