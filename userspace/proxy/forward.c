/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/forward.h"

#include "proxy/exchange.h"
#include "proxy/record.h"
#include "proxy/relay.h"
#include "proxy/state.h"
#include "upstream/pool.h"

#define BODY_RATE 65536u /* bytes a second that a body must come with, beside body_ms once */

void forward_drop(struct exchange *x)
{
	timer_stop(&x->again);
	later_disarm(&x->first);
	if (x->call)
		upstream_cancel(TAKE_PTR(x->call));
	if (x->up)
		upstream_close(x->w->upstream, TAKE_PTR(x->up));
}

void forward_watch(struct exchange *x)
{
	int events = 0;

	x->stalled = x->down->ops->waiting(x->down) >= x->w->set.buffer_bytes;
	if (!x->stalled)
		events |= IO_READ;
	if (x->egress.blocked && !x->egress.failed)
		events |= IO_WRITE;
	io_want(&x->up->io, events);
}

void forward_expect_body(struct exchange *x)
{
	x->body_due_us = loop_now_us(x->w->loop) + x->w->set.body_ms * 1000;
	forward_deadline(x);
}

void forward_body_came(struct exchange *x, size_t n)
{
	x->body_due_us += (uint64_t)n * 1000000 / BODY_RATE;
}

/* How long the client may take for more of its body: never silent for body_ms, and in all no longer
 * than that and the time that is due to what has come. */
static uint64_t body_ms(const struct exchange *x)
{
	uint64_t now = loop_now_us(x->w->loop), most = x->w->set.body_ms, left;

	if (egress_is_full(x))
		return most; /* for the provider to take some */
	left = x->body_due_us > now ? (x->body_due_us - now) / 1000 + 1 : 1;
	return left < most ? left : most;
}

/* An answer that has begun has no limit of its own, but the rest of the request has, where nothing
 * else is waited for: a client that takes nothing is the carrier's to notice. */
void forward_deadline(struct exchange *x)
{
	uint64_t ms = x->body_done ? x->w->set.first_byte_ms : body_ms(x);

	if (x->answered && x->down->ops->waiting(x->down))
		return;
	if (x->answered && (x->body_done || egress_is_full(x)))
		ms = 0;
	x->down->ops->deadline(x->down, ms);
}

void forward_push(struct exchange *x)
{
	bool was_full = egress_is_full(x);
	int r = egress_run(x);

	if (r == -EMSGSIZE || r == -EINVAL) {
		/* The request's own fields have passed the parser: what ends a line is the key. */
		exchange_fail(x,
			      r == -EMSGSIZE ? EG_REASON_headers_too_large
					     : EG_REASON_credential_unavailable,
			      NULL);
		return;
	}
	x->egress.blocked = r == -EAGAIN;
	if (was_full && !egress_is_full(x)) {
		/* The wait was the provider's. */
		forward_expect_body(x);
		x->down->ops->resume(x->down);
	}
	forward_watch(x);
}

static void on_upstream_ready(struct io *io, int events)
{
	struct exchange *x = container_of(io, struct upstream_conn, io)->owner;

	if (events & IO_WRITE) {
		forward_push(x);
		if (x->state != EXCHANGE_RELAY)
			return;
	}
	if (events & IO_READ)
		relay_run(x);
}

static void on_again(struct timer *t)
{
	struct exchange *x = container_of(t, struct exchange, again);

	if (x->state == EXCHANGE_RELAY)
		relay_run(x);
}

void forward_yield(struct exchange *x)
{
	timer_start(&x->again, x->w->loop, 0, on_again);
}

/* At the end of the turn: requests that came together wake the provider's host once. */
static void on_first(struct later *l)
{
	forward_push(container_of(l, struct exchange, first));
}

static void on_upstream(void *ctx, struct upstream_conn *conn, enum eg_reason reason,
			const char *detail)
{
	struct exchange *x = ctx;

	x->call = NULL;
	if (!conn) {
		exchange_fail(x, reason, detail ? pool_printf(x->pool, "%s", detail) : NULL);
		return;
	}
	x->up = conn;
	conn->owner = x;
	if (x->rec && conn->reused)
		x->rec->flags |= EG_RECORD_REUSED;
	x->state = EXCHANGE_RELAY;
	x->got_bytes = false;
	egress_restart(x);
	if (relay_begin(x) < 0) {
		exchange_fail(x, EG_REASON_overloaded, NULL);
		return;
	}
	conn->io.on_ready = on_upstream_ready;
	forward_expect_body(x);
	if (!x->body_done)
		x->down->ops->resume(x->down);
	later_arm(&x->first, x->w->loop, on_first);
}

static void connect_upstream(struct exchange *x, bool fresh)
{
	struct upstream_target t = { .provider = x->provider,
				     .host = caller_host(x->caller),
				     .port = x->caller->flow.dport,
				     .credential = x->verdict.credential };
	struct upstream_call *call;

	x->state = EXCHANGE_CONNECT;
	call = upstream_get(x->w->upstream, &t, fresh, on_upstream, x);
	/* NULL: it has called back, and the exchange may be anywhere by now. */
	if (call)
		x->call = call;
}

void forward_retry(struct exchange *x)
{
	forward_drop(x);
	x->retried = true;
	connect_upstream(x, true);
}

void forward_begin(struct exchange *x)
{
	connect_upstream(x, false);
}
