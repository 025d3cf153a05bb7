/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer's side of an HTTP/1.1 session: what downstream.h asks, framed for this client. None of
 * it calls back into the exchange.
 */
#include "proto/h1_write.h"
#include "proxy/session_private.h"
#include "proxy/state.h"
#include "tls/stream.h"

static struct session *of(struct downstream *d)
{
	return container_of(d, struct session, down);
}

/* An answer that waits for the client has a limit in time, which each byte taken sets back; one
 * that waits for the provider has none. */
static void limit_stall(struct session *s, bool has_taken)
{
	if (s->state != SESSION_EXCHANGE || !s->exchange.answered)
		return;
	if (buf_len(&s->out) == 0) {
		if (s->stalling)
			session_set_deadline(s, 0);
	} else if (has_taken || !s->stalling) {
		session_set_deadline(s, session_worker(s)->set.stall_ms);
		s->stalling = true;
	}
}

void session_write(struct session *s)
{
	bool has_taken = false;

	while (buf_len(&s->out) && !s->broken) {
		struct slice o = buf_slice(&s->out);
		ssize_t n = stream_write(s->conn->ssl, o.p, o.n);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			s->broken = true;
			session_wake(s);
			return;
		}
		buf_consume(&s->out, (size_t)n);
		has_taken = true;
	}
	limit_stall(s, has_taken);
	blocks_reclaim(&session_worker(s)->blocks, &s->out);
}

static void flush(struct downstream *d)
{
	session_write(of(d));
	if (buf_len(&of(d)->out))
		session_wake(of(d));
}

static void soon(struct downstream *d)
{
	session_wake(of(d));
}

static size_t waiting(const struct downstream *d)
{
	const struct session *s = (const struct session *)d; /* its first member */

	return s->broken ? 0 : buf_len(&s->out);
}

static int put_head(struct session *s, const struct http_response *r,
		    const struct h1_response_opts *o)
{
	size_t room = session_worker(s)->set.head_bytes + 2048;
	char *to;
	ssize_t n;

	if (blocks_lend(&session_worker(s)->blocks, &s->out) < 0)
		return -ENOMEM;
	/* Mostly it is short, and fits what the block has left. */
	to = buf_reserve(&s->out, 4096);
	n = to ? h1_write_response(to, 4096, r, o) : -ENOMEM;
	if (n == -EMSGSIZE) {
		to = buf_reserve(&s->out, room);
		n = to ? h1_write_response(to, room, r, o) : -ENOMEM;
	}
	if (n < 0)
		return (int)n;
	buf_commit(&s->out, (size_t)n);
	return 0;
}

static int interim(struct downstream *d, const struct http_response *r)
{
	struct session *s = of(d);
	struct h1_response_opts o = { .body = HTTP_BODY_NONE };

	if (h1_is_http10(s->requests))
		return 0;
	return put_head(s, r, &o);
}

/* Whether the connection can go on after this answer, given what is still to come of the request.
 */
static bool may_keep(const struct session *s)
{
	const struct http_request *req = s->exchange.req;

	if (!req || !req->keep_alive || h1_is_http10(s->requests) || session_worker(s)->draining)
		return false;
	if (s->request_done)
		return true;
	/* A client that waits for 100 may send the body or not: the next bytes are ambiguous. */
	if (req->expect_continue && !s->body_begun)
		return false;
	return req->body == HTTP_BODY_CHUNKED ||
	       req->content_length - s->exchange.body_in <= SESSION_DRAIN_MAX;
}

static int head(struct downstream *d, const struct http_response *r, const struct http_field *more,
		size_t n_more, bool close)
{
	struct session *s = of(d);
	struct h1_response_opts o = {
		.more = more, .n_more = n_more, .body = r->body, .is_head = s->exchange.is_head
	};

	s->keep = !close && may_keep(s);
	if (r->body == HTTP_BODY_CHUNKED || r->body == HTTP_BODY_CLOSE) {
		o.body = HTTP_BODY_CHUNKED;
		if (s->exchange.req && h1_is_http10(s->requests))
			o.body = HTTP_BODY_CLOSE;
	}
	if (s->exchange.is_head || r->status == 204 || r->status == 304)
		s->framing = HTTP_BODY_NONE;
	else
		s->framing = o.body;
	o.close = !s->keep;
	return put_head(s, r, &o);
}

static int body(struct downstream *d, struct slice piece)
{
	struct session *s = of(d);
	char size[H1_CHUNK_HEAD_MAX];
	int r = blocks_lend(&session_worker(s)->blocks, &s->out);

	s->conn->bytes_out += piece.n;
	if (r < 0 || s->broken)
		return r;
	if (s->framing != HTTP_BODY_CHUNKED)
		return buf_append_slice(&s->out, piece);
	r = buf_append(&s->out, size, h1_chunk_head(size, piece.n));
	if (r == 0)
		r = buf_append_slice(&s->out, piece);
	return r < 0 ? r : buf_append_slice(&s->out, SLICE("\r\n"));
}

static int end(struct downstream *d, const struct http_field *trailers, size_t n_trailers)
{
	struct session *s = of(d);
	size_t room = session_worker(s)->set.head_bytes + 16;
	ssize_t n;
	char *to;

	if (s->framing != HTTP_BODY_CHUNKED)
		return 0;
	if (blocks_lend(&session_worker(s)->blocks, &s->out) < 0)
		return -ENOMEM;
	if (n_trailers == 0)
		return buf_append_slice(&s->out, SLICE("0\r\n\r\n"));
	to = buf_reserve(&s->out, room);
	if (!to)
		return -errno;
	n = h1_chunk_end(to, room, trailers, n_trailers);
	if (n < 0)
		return (int)n;
	buf_commit(&s->out, (size_t)n);
	return 0;
}

static void resume(struct downstream *d)
{
	session_wake(of(d));
}

static void deadline(struct downstream *d, uint64_t ms)
{
	session_set_deadline(of(d), ms);
}

static void cut(struct downstream *d)
{
	/* For a body that ends with the connection, only a reset is seen as broken. What the client
	 * has not taken yet is lost with it, which is no more than it was. */
	conn_close(of(d)->conn, true);
}

static void over(struct downstream *d)
{
	struct session *s = of(d);

	if (!s->keep) {
		s->state = SESSION_ENDING;
	} else if (!s->request_done) {
		s->state = SESSION_DRAIN;
		s->thrown = 0;
		session_set_deadline(s, session_worker(s)->set.body_ms);
	}
	session_wake(s);
}

const struct downstream_ops session_ops = {
	.interim = interim,
	.head = head,
	.body = body,
	.end = end,
	.flush = flush,
	.soon = soon,
	.waiting = waiting,
	.resume = resume,
	.deadline = deadline,
	.cut = cut,
	.over = over,
};
