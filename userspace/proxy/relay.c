/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/relay.h"

#include "base/digest.h"
#include "proto/h1.h"
#include "proxy/exchange.h"
#include "proxy/forward.h"
#include "proxy/guard.h"
#include "proxy/kept.h"
#include "proxy/record.h"
#include "proxy/state.h"
#include "tls/stream.h"
#include "upstream/pool.h"

#define READS_MAX 32 /* TLS records of one answer before others get their turn */

int relay_begin(struct exchange *x)
{
	struct h1_limits limits = { .head_max = x->w->set.head_bytes };

	if (!x->answer)
		x->answer = h1_new_response(&limits, x->pool);
	if (!x->answer)
		return -ENOMEM;
	h1_next(x->answer);
	h1_expect(x->answer, x->is_head);
	return 0;
}

static int interim(struct exchange *x)
{
	struct http_response r = *h1_response(x->answer);

	if (r.status == 101)
		return -EPROTO;
	r.n_fields = guard_strip(x, r.fields, r.n_fields);
	return x->down->ops->interim(x->down, &r);
}

/* The answer goes to the client from here on. */
static int begin_answer(struct exchange *x)
{
	struct http_response r = *h1_response(x->answer);
	struct http_field id = { SLICE("egret-request-id"), { NULL, 0 }, HTTP_other };
	char hex[33];

	r.n_fields = guard_strip(x, r.fields, r.n_fields);
	digest_hex(x->id, sizeof(x->id), hex);
	id.value = slice_of(hex, 32);
	x->answered = true;
	/* There will be no second attempt: a long stream must not keep a credential in memory,
	 * unless trailers are announced, which must be searched for it. */
	if (x->egress.head_sent && !http_find(r.fields, r.n_fields, HTTP_trailer))
		x->lease = lease_unref(x->lease);
	if (egress_is_done(x))
		kept_drop(x);
	if (x->rec) {
		x->rec->status = r.status;
		x->rec->first_us = loop_now_us(x->w->loop) - x->start_us;
	}
	forward_deadline(x);
	return x->down->ops->head(x->down, &r, &id, 1, false);
}

static int on_head(struct exchange *x)
{
	const struct http_response *r = h1_response(x->answer);

	if (r->status < 200)
		return interim(x);
	if (guard_is_refusal(x, r))
		return -EACCES;
	return guard_begin(x, r) ? 0 : begin_answer(x);
}

static int on_body(struct exchange *x, struct slice piece)
{
	int r;

	if (x->answered) {
		if (x->rec)
			x->rec->bytes_out += piece.n;
		return x->down->ops->body(x->down, piece);
	}
	r = guard_hold(x, piece);
	return r == -EMSGSIZE ? -EACCES : r;
}

/* An answer that was held is whole. */
static int let_go(struct exchange *x)
{
	struct buf body = x->held;
	int r;

	if (!guard_is_clean(x, h1_response(x->answer)))
		return -EACCES;
	r = begin_answer(x);
	x->held = (struct buf){ 0 };
	if (r == 0 && buf_len(&body))
		r = on_body(x, buf_slice(&body));
	buf_release(&body);
	return r;
}

/* A body that is announced and must not come may come all the same, later. */
static bool has_left_a_body_out(const struct exchange *x)
{
	const struct http_response *r = h1_response(x->answer);

	return (x->is_head || r->status == 304) &&
	       (r->body == HTTP_BODY_CHUNKED || r->content_length);
}

/* The provider's answer is whole; the connection can serve again if nothing is left on it. */
static void finish(struct exchange *x, bool clean)
{
	const struct http_field *trailers;
	size_t n = h1_trailers(x->answer, &trailers);
	struct upstream_conn *up;
	int r;

	n = guard_trailers(x, (struct http_field *)(uintptr_t)trailers, n);
	r = x->answered ? 0 : let_go(x);
	if (r == -EACCES) {
		guard_refuse(x, h1_response(x->answer)->status);
		return;
	}
	up = TAKE_PTR(x->up);
	if (r == 0)
		r = x->down->ops->end(x->down, trailers, n);
	if (clean && h1_response(x->answer)->keep_alive && !has_left_a_body_out(x) &&
	    egress_is_done(x) && !stream_has_more(up->ssl))
		upstream_put(x->w->upstream, up);
	else
		upstream_close(x->w->upstream, up);
	if (r < 0)
		exchange_fail(x, EG_REASON_overloaded, NULL);
	else
		exchange_answered(x);
}

static void broke(struct exchange *x, bool is_protocol)
{
	enum eg_reason reason = is_protocol   ? EG_REASON_upstream_bad_response
				: x->answered ? EG_REASON_upstream_cut
					      : EG_REASON_upstream_closed;

	if (!is_protocol && egress_may_retry(x)) {
		forward_retry(x);
		return;
	}
	exchange_fail(x, reason, is_protocol ? h1_error(x->answer) : NULL);
}

/* False when the exchange has gone on to something else. */
static bool feed(struct exchange *x, struct slice in)
{
	for (;;) {
		struct slice piece;
		size_t n;
		int r = 0;

		switch (h1_parse(x->answer, in, &n, &piece)) {
		case H1_NEED_MORE:
			return true;
		case H1_HEAD:
			r = on_head(x);
			break;
		case H1_BODY:
			r = on_body(x, piece);
			break;
		case H1_DONE:
			if (h1_response(x->answer)->status >= 200) {
				finish(x, n == in.n);
				return false;
			}
			h1_next(x->answer);
			break;
		case H1_ERROR:
		case H1_TOO_LARGE:
			broke(x, true);
			return false;
		}
		if (r == -EACCES) {
			guard_refuse(x, h1_response(x->answer)->status);
			return false;
		}
		if (r < 0) {
			exchange_fail(x,
				      r == -EPROTO ? EG_REASON_upstream_bad_response
						   : EG_REASON_overloaded,
				      NULL);
			return false;
		}
		in = slice_of(in.p + n, in.n - n);
	}
}

static void on_end(struct exchange *x, ssize_t how)
{
	/* Only a proper end of TLS ends a body that has no other end. */
	if (how == 0 && (x->answered || x->held.max) && h1_eof(x->answer) == H1_DONE) {
		finish(x, false);
		return;
	}
	broke(x, false);
}

/* The client has taken too little of what there is, also when it is offered now. */
static bool is_stalled(struct exchange *x)
{
	if (x->down->ops->waiting(x->down) < x->w->set.buffer_bytes)
		return false;
	x->down->ops->flush(x->down);
	return x->down->ops->waiting(x->down) >= x->w->set.buffer_bytes;
}

/* It must not stop while TLS holds bytes that have been read, as nothing would tell of them: unless
 * exchange_drained() or the timer of forward_yield() goes on from here. */
void relay_run(struct exchange *x)
{
	for (int i = 0; !is_stalled(x); i++) {
		ssize_t n;

		if (i == READS_MAX) {
			forward_yield(x);
			break;
		}
		n = stream_read(x->up->ssl, x->w->scratch, SCRATCH_SIZE);
		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			on_end(x, n);
			return;
		}
		x->got_bytes = true;
		if (!feed(x, slice_of(x->w->scratch, (size_t)n)))
			return;
		if (!stream_has_more(x->up->ssl))
			break;
	}
	x->down->ops->soon(x->down);
	forward_watch(x);
}
