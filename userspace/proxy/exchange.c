/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/exchange.h"

#include <assert.h>

#include "provider/credential.h"
#include "proxy/classify.h"
#include "proxy/decide.h"
#include "proxy/generation.h"
#include "proxy/record.h"
#include "proxy/refusal.h"
#include "proxy/relay.h"
#include "proxy/state.h"
#include "tls/stream.h"
#include "upstream/pool.h"

#define IDENTIFY_TRIES 3u

static void on_upstream_ready(struct io *io, int events);

/* ---- the ways out ---- */

static void release_upstream(struct exchange *x)
{
	if (x->call)
		upstream_cancel(TAKE_PTR(x->call));
	if (x->up)
		upstream_close(x->w->upstream, TAKE_PTR(x->up));
}

/* Everything of this request but its record. */
static void release(struct exchange *x)
{
	release_upstream(x);
	timer_stop(&x->again);
	attest_cancel(&x->identifying);
	lease_cancel(&x->leasing);
	x->lease = lease_unref(x->lease);
	inspect_done(&x->inspect);
	blocks_drop(&x->w->blocks, &x->body);
}

static void rest(struct exchange *x, enum eg_reason end)
{
	x->end = end;
	release(x);
	record_commit(x);
	x->who = attest_unref(x->who);
	x->gen = generation_unref(x->gen);
	x->req = NULL;
	x->state = EXCHANGE_REST;
}

void exchange_abort(struct exchange *x, enum eg_reason reason)
{
	if (x->state != EXCHANGE_REST)
		rest(x, reason);
}

void exchange_answered(struct exchange *x)
{
	release(x);
	x->state = EXCHANGE_FLUSH;
	x->down->ops->deadline(x->down, 0);
	x->down->ops->flush(x->down);
	exchange_drained(x);
}

static void cut(struct exchange *x, enum eg_reason reason)
{
	x->down->ops->flush(x->down);
	rest(x, reason);
	x->down->ops->cut(x->down);
}

static void answer(struct exchange *x, enum eg_reason reason, const char *detail)
{
	release_upstream(x);
	if (x->answered || refusal_write(x, reason, detail) < 0) {
		cut(x, reason);
		return;
	}
	x->answered = true;
	exchange_answered(x);
}

void exchange_refuse(struct exchange *x, enum eg_reason reason, const char *detail)
{
	struct slice what = slice_str(detail ? detail : refusal_advice(reason));

	assert(!x->decided || x->verdict.reason == reason);
	x->decided = true;
	x->w->count.denied++;
	record_denied(x, reason, what);
	x->end = EG_REASON_allowed; /* the answer to it will be whole */
	answer(x, reason, detail);
}

void exchange_fail(struct exchange *x, enum eg_reason reason, const char *detail)
{
	x->end = reason;
	if (x->rec && detail)
		(void)slice_copy(slice_str(detail), x->rec->detail, sizeof(x->rec->detail));
	answer(x, reason, detail);
}

/* ---- to the provider and back ---- */

void exchange_watch(struct exchange *x)
{
	int events = 0;

	x->stalled = x->down->ops->waiting(x->down) >= x->w->set.buffer_bytes;
	if (!x->stalled)
		events |= IO_READ;
	if (x->egress.blocked && !x->egress.failed)
		events |= IO_WRITE;
	io_want(&x->up->io, events);
}

/* Time for the next thing to happen: the client to send, or the provider to answer. */
static void set_deadline(struct exchange *x)
{
	const struct settings *s = &x->w->set;

	if (x->answered)
		return;
	x->down->ops->deadline(x->down, x->body_done ? s->first_byte_ms : s->body_ms);
}

static void push(struct exchange *x)
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
	if (was_full && !egress_is_full(x))
		x->down->ops->resume(x->down);
	exchange_watch(x);
}

static void on_upstream_ready(struct io *io, int events)
{
	struct exchange *x = container_of(io, struct upstream_conn, io)->owner;

	if (events & IO_WRITE) {
		push(x);
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

void exchange_yield(struct exchange *x)
{
	timer_start(&x->again, x->w->loop, 0, on_again);
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
	set_deadline(x);
	if (!x->body_done)
		x->down->ops->resume(x->down);
	push(x);
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

void exchange_retry(struct exchange *x)
{
	release_upstream(x);
	x->retried = true;
	connect_upstream(x, true);
}

/* ---- the decision ---- */

static void on_lease(void *ctx, struct lease *lease, enum eg_reason reason)
{
	struct exchange *x = ctx;

	if (!lease) {
		x->verdict.reason = reason;
		exchange_refuse(x, reason, NULL);
		return;
	}
	x->lease = lease_ref(lease);
	connect_upstream(x, false);
}

static void take_credential(struct exchange *x)
{
	const struct catalogue_provider *p = catalogue_provider(x->gen->catalogue, x->provider);
	struct lease_want want = { .provider = p->name,
				   .credential = x->verdict.credential,
				   .workload = slice_str(x->who->who.name) };

	if (!p->credential_field.n) {
		connect_upstream(x, false);
		return;
	}
	x->state = EXCHANGE_LEASE;
	lease_get(x->w->leases, &want, &x->leasing, on_lease, x);
}

static void decide(struct exchange *x)
{
	const char *detail = NULL;
	enum eg_reason reason = decide_request(x, &detail);

	if (reason != EG_REASON_allowed) {
		exchange_refuse(x, reason, detail);
		return;
	}
	x->decided = true;
	if (egress_prepare(x) < 0) {
		exchange_fail(x, EG_REASON_overloaded, NULL);
		return;
	}
	take_credential(x);
}

/* The first body that decides is asked for; one that does not is asked for once there is somewhere
 * to send it. */
static void inspect(struct exchange *x)
{
	x->state = EXCHANGE_INSPECT;
	x->down->ops->deadline(x->down, x->w->set.body_ms);
	x->down->ops->resume(x->down);
}

static void classify(struct exchange *x)
{
	const char *detail = NULL;
	enum eg_reason reason = classify_request(x, &detail);

	if (reason != EG_REASON_allowed)
		exchange_refuse(x, reason, detail);
	else if (x->inspect.json || x->inspect.form)
		inspect(x);
	else
		decide(x);
}

/* ---- who ---- */

static void identify(struct exchange *x);

static void on_attested(void *ctx, struct attested *who)
{
	struct exchange *x = ctx;

	if (!who) {
		exchange_refuse(x, EG_REASON_identity_unavailable, NULL);
		return;
	}
	(void)attest_unref(x->caller->who);
	x->caller->who = attest_ref(who);
	identify(x);
}

/* A principal counts for the policy generation it was matched against. Nothing has been decided
 * yet, so a request that waited through a change goes on under the new one. */
static void identify(struct exchange *x)
{
	struct caller *c = x->caller;

	if (x->gen != x->w->gen) {
		x->gen = generation_unref(x->gen);
		x->gen = generation_ref(x->w->gen);
	}
	if (c->who && c->who->who.generation == x->gen->number) {
		x->who = attest_ref(c->who);
		record_caller(x);
		classify(x);
		return;
	}
	if (x->identify_tries++ == IDENTIFY_TRIES) {
		exchange_refuse(x, EG_REASON_identity_unavailable, NULL);
		return;
	}
	x->state = EXCHANGE_IDENTIFY;
	attest_get(x->w->attest, &c->flow, &x->identifying, on_attested, x);
}

/* ---- what the carrier says ---- */

/* Zero but for what belongs to the connection. */
static void start(struct exchange *x, struct http_request *req)
{
	struct worker *w = x->w;

	*x = (struct exchange){ .w = w,
				.down = x->down,
				.caller = x->caller,
				.pool = x->pool,
				.answer = x->answer,
				.state = EXCHANGE_IDENTIFY,
				.req = req,
				.gen = generation_ref(w->gen),
				.start_us = loop_now_us(w->loop),
				.end = EG_REASON_allowed };
	x->verdict.reason = EG_REASON_COUNT;
	/* Even a request that could not be read is refused in the provider's shape. */
	if (x->gen && x->caller->provider_generation == x->gen->number &&
	    x->caller->provider >= 0) {
		x->provider = (unsigned)x->caller->provider;
		x->provider_known = true;
	}
	w->count.requests++;
	record_open(x);
	record_caller(x);
	if (x->provider_known)
		record_provider(x);
	if (!req)
		return;
	x->is_head = slice_eq(req->method, SLICE("HEAD"));
	buf_init(&x->body, w->set.body_bytes);
	record_request(x);
}

void exchange_begin(struct exchange *x, struct http_request *req)
{
	start(x, req);
	if (!x->rec)
		exchange_refuse(x, EG_REASON_audit_unavailable, NULL);
	else if (x->w->stopping)
		exchange_refuse(x, EG_REASON_shutting_down, NULL);
	else
		identify(x);
}

enum exchange_body exchange_wants_body(const struct exchange *x)
{
	switch (x->state) {
	case EXCHANGE_INSPECT:
		return EXCHANGE_TAKE;
	case EXCHANGE_RELAY:
		return egress_is_full(x) ? EXCHANGE_HOLD : EXCHANGE_TAKE;
	case EXCHANGE_FLUSH:
	case EXCHANGE_REST:
		return EXCHANGE_DISCARD;
	default:
		return EXCHANGE_HOLD;
	}
}

static void inspect_piece(struct exchange *x, struct slice piece)
{
	enum eg_reason reason;
	int r;

	r = blocks_lend(&x->w->blocks, &x->body);
	if (r == 0)
		r = buf_append_slice(&x->body, piece);
	if (r < 0) {
		exchange_refuse(x, r == -EMSGSIZE ? EG_REASON_body_too_large : EG_REASON_overloaded,
				NULL);
		return;
	}
	reason = inspect_feed(&x->inspect, buf_slice(&x->body), piece);
	if (reason != EG_REASON_allowed)
		exchange_refuse(x, reason, inspect_key(&x->inspect));
}

void exchange_body(struct exchange *x, struct slice piece)
{
	x->body_in += piece.n;
	if (x->state == EXCHANGE_INSPECT) {
		inspect_piece(x, piece);
	} else if (x->state == EXCHANGE_RELAY) {
		if (x->body_in > x->w->set.body_bytes) {
			exchange_fail(x, EG_REASON_body_too_large, NULL);
			return;
		}
		if (egress_body(x, piece) < 0) {
			exchange_fail(x, EG_REASON_overloaded, NULL);
			return;
		}
	} else {
		return;
	}
	if (x->state == EXCHANGE_INSPECT || x->state == EXCHANGE_RELAY)
		set_deadline(x);
	if (x->state == EXCHANGE_RELAY)
		push(x);
}

/* A key of the caller's can stand in a trailer too. The request has gone by then, so it is only
 * taken out, and noted. */
static int strip_trailers(struct exchange *x, const struct http_field *trailers, size_t *n)
{
	struct http_request r = { .target = SLICE("/"),
				  .fields = (struct http_field *)(uintptr_t)trailers,
				  .n_fields = *n };
	struct credential_found found = { 0 };
	int e;

	if (*n == 0)
		return 0;
	e = credential_strip(x->gen->catalogue, x->provider, &r, x->pool, &found);
	if (e < 0)
		return e;
	if (found.direct)
		record_key(x, found.value);
	*n = r.n_fields;
	return 0;
}

void exchange_body_end(struct exchange *x, const struct http_field *trailers, size_t n)
{
	enum eg_reason reason;

	x->body_done = true;
	if (x->state == EXCHANGE_INSPECT) {
		x->egress.ended = true;
		reason = inspect_finish(&x->inspect, buf_slice(&x->body));
		if (reason != EG_REASON_allowed)
			exchange_refuse(x, reason, inspect_key(&x->inspect));
		else
			decide(x);
	} else if (x->state == EXCHANGE_RELAY) {
		if (strip_trailers(x, trailers, &n) < 0 || egress_end(x, trailers, n) < 0) {
			exchange_fail(x, EG_REASON_overloaded, NULL);
			return;
		}
		set_deadline(x);
		push(x);
	}
}

void exchange_bad(struct exchange *x, enum eg_reason reason, const char *detail)
{
	if (x->state == EXCHANGE_REST)
		start(x, NULL);
	if (x->decided)
		exchange_fail(x, reason, detail);
	else
		exchange_refuse(x, reason, detail);
}

void exchange_drained(struct exchange *x)
{
	if (x->state == EXCHANGE_RELAY) {
		/* What OpenSSL has already read makes no socket readable. */
		if (x->stalled && x->down->ops->waiting(x->down) < x->w->set.buffer_bytes)
			relay_run(x);
	} else if (x->state == EXCHANGE_FLUSH && x->down->ops->waiting(x->down) == 0) {
		rest(x, x->end);
		x->down->ops->over(x->down);
	}
}

void exchange_late(struct exchange *x)
{
	switch (x->state) {
	case EXCHANGE_INSPECT:
		exchange_refuse(x, EG_REASON_body_timeout, NULL);
		break;
	case EXCHANGE_RELAY:
		exchange_fail(x,
			      x->body_done || egress_is_full(x) ? EG_REASON_upstream_timeout
								: EG_REASON_body_timeout,
			      NULL);
		break;
	default:
		break;
	}
}

void exchange_init(struct exchange *x, struct worker *w, struct downstream *down,
		   struct caller *caller, struct pool *pool)
{
	*x = (struct exchange){ .w = w, .down = down, .caller = caller, .pool = pool };
}

void exchange_done(struct exchange *x)
{
	assert(x->state == EXCHANGE_REST);
	x->answer = h1_free(x->answer);
}
