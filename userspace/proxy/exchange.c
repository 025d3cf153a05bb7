/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/exchange.h"

#include <assert.h>

#include "provider/credential.h"
#include "proxy/classify.h"
#include "proxy/decide.h"
#include "proxy/forward.h"
#include "proxy/generation.h"
#include "proxy/kept.h"
#include "proxy/record.h"
#include "proxy/refusal.h"
#include "proxy/relay.h"
#include "proxy/state.h"

#define IDENTIFY_TRIES 3u

/* ---- the ways out ---- */

/* Everything of this request but its record. */
static void release(struct exchange *x)
{
	forward_drop(x);
	attest_cancel(&x->identifying);
	lease_cancel(&x->leasing);
	x->lease = lease_unref(x->lease);
	inspect_done(&x->inspect);
	kept_drop(x);
	buf_release(&x->held);
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
	x->down->ops->soon(x->down);
}

static void cut(struct exchange *x, enum eg_reason reason)
{
	x->down->ops->flush(x->down);
	rest(x, reason);
	x->down->ops->cut(x->down);
}

static void answer(struct exchange *x, enum eg_reason reason, const char *detail)
{
	forward_drop(x);
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
	forward_begin(x);
}

static void take_credential(struct exchange *x)
{
	const struct catalogue_provider *p = catalogue_provider(x->gen->catalogue, x->provider);
	struct lease_want want = { .provider = p->name,
				   .credential = x->verdict.credential,
				   .workload = slice_str(x->who->who.name) };

	if (!p->credential_field.n) {
		forward_begin(x);
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

/* A body that decides is asked for; one that does not, only once there is somewhere to send it. */
static void inspect(struct exchange *x)
{
	x->state = EXCHANGE_INSPECT;
	forward_expect_body(x);
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
		x->provider_known = false; /* its number was the old catalogue's */
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

/* Zero but for what belongs to the connection. Says why, when there is no record. */
static enum eg_reason start(struct exchange *x, struct http_request *req)
{
	struct worker *w = x->w;
	enum eg_reason reason;

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
	reason = record_open(x);
	record_caller(x);
	if (x->provider_known)
		record_provider(x);
	if (!req)
		return reason;
	x->is_head = slice_eq(req->method, SLICE("HEAD"));
	/* Its bound is on body_in; here there may be framing beside. */
	buf_init(&x->body, SIZE_MAX);
	record_request(x);
	return reason;
}

void exchange_begin(struct exchange *x, struct http_request *req)
{
	enum eg_reason reason = start(x, req);

	if (reason == EG_REASON_overloaded)
		note_caller(x->w, x->caller, reason,
			    "this cgroup holds its share of requests at once: send fewer");
	if (reason != EG_REASON_allowed)
		exchange_refuse(x, reason, NULL);
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

static enum eg_reason inspect_piece(struct exchange *x, struct slice piece)
{
	enum eg_reason reason;

	if (kept_append(x, piece) < 0)
		return EG_REASON_overloaded;
	reason = inspect_feed(&x->inspect, buf_slice(&x->body), piece);
	return reason == EG_REASON_allowed && kept_charge(x) < 0 ? EG_REASON_overloaded : reason;
}

void exchange_body(struct exchange *x, struct slice piece)
{
	enum eg_reason reason = EG_REASON_allowed;

	if (x->state != EXCHANGE_INSPECT && x->state != EXCHANGE_RELAY)
		return;
	x->body_in += piece.n;
	forward_body_came(x, piece.n);
	if (x->body_in > x->w->set.body_bytes)
		reason = EG_REASON_body_too_large;
	else if (x->state == EXCHANGE_INSPECT)
		reason = inspect_piece(x, piece);
	else if (egress_body(x, piece) < 0)
		reason = EG_REASON_overloaded;
	if (reason != EG_REASON_allowed) {
		exchange_bad(x, reason, inspect_key(&x->inspect));
		return;
	}
	if (x->state == EXCHANGE_RELAY)
		forward_push(x);
	if (x->state == EXCHANGE_INSPECT || x->state == EXCHANGE_RELAY)
		forward_deadline(x);
}

/* A key of the caller's can stand in a trailer too, and what egret sets itself. The request has
 * gone by then, so it is only taken out, and noted. */
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
	*n = egress_strip(x, r.fields, r.n_fields);
	return 0;
}

void exchange_body_end(struct exchange *x, const struct http_field *trailers, size_t n)
{
	enum eg_reason reason;

	x->body_done = true;
	if (x->state == EXCHANGE_INSPECT) {
		x->egress.ended = true;
		reason = inspect_finish(&x->inspect, buf_slice(&x->body));
		/* The parser has given its memory back. */
		if (kept_charge(x) < 0 && reason == EG_REASON_allowed)
			reason = EG_REASON_overloaded;
		if (reason != EG_REASON_allowed)
			exchange_refuse(x, reason, inspect_key(&x->inspect));
		else
			decide(x);
	} else if (x->state == EXCHANGE_RELAY) {
		if (strip_trailers(x, trailers, &n) < 0 || egress_end(x, trailers, n) < 0) {
			exchange_fail(x, EG_REASON_overloaded, NULL);
			return;
		}
		forward_deadline(x);
		forward_push(x);
	}
}

void exchange_bad(struct exchange *x, enum eg_reason reason, const char *detail)
{
	if (x->state == EXCHANGE_REST)
		(void)start(x, NULL);
	if (x->decided)
		exchange_fail(x, reason, detail);
	else
		exchange_refuse(x, reason, detail);
}

void exchange_drained(struct exchange *x)
{
	if (x->state == EXCHANGE_RELAY) {
		/* What OpenSSL has already read makes no socket readable. */
		forward_deadline(x);
		if (x->stalled && x->down->ops->waiting(x->down) < x->w->set.buffer_bytes)
			relay_run(x);
	} else if (x->state == EXCHANGE_FLUSH && x->down->ops->waiting(x->down) == 0) {
		rest(x, x->end);
		x->down->ops->over(x->down);
	}
}

void exchange_late(struct exchange *x)
{
	if (x->answered && x->state != EXCHANGE_REST) {
		/* It has not taken a byte of the answer for too long, or sent none of its body. */
		cut(x, x->down->ops->waiting(x->down) ? EG_REASON_client_gone
						      : EG_REASON_body_timeout);
		return;
	}
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
