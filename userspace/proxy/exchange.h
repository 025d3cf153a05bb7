/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer: the only place where identity, policy, credentials, provider and
 * audit meet. The carrier (downstream.h) hands in what it parsed; everything else happens here and
 * in the files of each step: inspect, rewrite, egress, relay, refusal, record.
 *
 * Invariants: nothing goes upstream before a record is open and policy has allowed it; the
 * caller's credential is taken out before anything else is looked at; every way out commits the
 * record exactly once.
 */
#pragma once

#include "egret/reasons.h"
#include "policy/policy.h"
#include "proto/h1.h"
#include "proto/http.h"
#include "proxy/attest.h"
#include "proxy/caller.h"
#include "proxy/downstream.h"
#include "proxy/egress.h"
#include "proxy/inspect.h"
#include "proxy/lease.h"

struct eg_record;
struct generation;
struct upstream_call;
struct upstream_conn;
struct worker;

/*
 * REST -> IDENTIFY -> INSPECT -> LEASE -> CONNECT -> RELAY -> FLUSH -> REST
 *   IDENTIFY and INSPECT are passed at once where nothing has to be waited for; a body that is not
 *   inspected goes from IDENTIFY to LEASE. From each up to RELAY, a refusal leads to FLUSH. CONNECT
 *   and RELAY may lead back to CONNECT once (egress_may_retry). Any may end in REST when the
 *   client goes.
 */
enum exchange_state {
	EXCHANGE_REST, /* between requests */
	EXCHANGE_IDENTIFY, /* the monitor is asked who this is */
	EXCHANGE_INSPECT, /* a body is read that decides */
	EXCHANGE_LEASE, /* the vault is asked for the credential */
	EXCHANGE_CONNECT, /* a connection to the provider is made */
	EXCHANGE_RELAY, /* the request goes out, the answer comes in */
	EXCHANGE_FLUSH, /* the answer is complete and waits for the client to take it */
};

struct exchange {
	/* for the life of the connection */
	struct worker *w;
	struct downstream *down;
	struct caller *caller;
	struct pool *pool; /* the carrier's; cleared by it between requests */
	struct h1 *answer; /* parser of answers, made with the first */

	/* of the request at hand; zero at rest */
	enum exchange_state state;
	struct http_request *req;
	bool is_head;
	struct generation *gen;
	struct attested *who;
	struct attest_wait identifying;
	unsigned identify_tries;
	unsigned provider;
	bool provider_known;
	const struct catalogue_operation *op;
	struct slice model_in_path;
	struct inspect inspect;
	struct buf body; /* of the request: whole when inspected, else what waits to go out */
	size_t body_charged; /* memory of body and its parser that counts against the share (kept.h)
			      */
	uint64_t body_in; /* body bytes received */
	uint64_t body_due_us; /* by when more of it must have come, see forward_deadline() */
	bool body_done; /* the client has sent all of it */
	struct policy_decision verdict;
	struct lease *lease;
	struct lease_wait leasing;
	struct upstream_call *call;
	struct upstream_conn *up;
	struct egress egress;
	bool decided; /* policy, or a check before it, has spoken: a later end is not a denial */
	bool retried;
	bool stalled; /* the answer is not read: the client has not taken what is there */
	struct timer again; /* see forward_yield() */
	struct later first; /* sends the request's head */
	bool answered; /* the final head is on its way to the client */
	struct buf held; /* body of an answer that is looked at before it may begin (guard.h);
			  * max 0: none */
	bool got_bytes; /* of an answer, on this upstream connection */
	struct eg_record *rec; /* open; NULL when there is none to write */
	uint8_t id[16];
	uint64_t start_us; /* monotonic: the head was complete */
	enum eg_reason end;
};

/* What the carrier should do with body bytes it has parsed. */
enum exchange_body { EXCHANGE_TAKE, EXCHANGE_HOLD, EXCHANGE_DISCARD };

void exchange_init(struct exchange *x, struct worker *w, struct downstream *down,
		   struct caller *caller, struct pool *pool);
/* Gives back what is held for the life of the connection; the exchange must be at rest. */
void exchange_done(struct exchange *x);

/* A head is complete; req lives in the pool. */
void exchange_begin(struct exchange *x, struct http_request *req);
enum exchange_body exchange_wants_body(const struct exchange *x);
void exchange_body(struct exchange *x, struct slice piece);
/* The request is complete; trailers of a chunked one. */
void exchange_body_end(struct exchange *x, const struct http_field *trailers, size_t n);
/* The carrier found the request bad (or late); also with no request begun. detail is static. */
void exchange_bad(struct exchange *x, enum eg_reason reason, const char *detail);
/* The client has taken bytes; room may have come. */
void exchange_drained(struct exchange *x);
void exchange_late(struct exchange *x);
/* The client went away, or the worker ends: aborts without a word to anyone but the record. */
void exchange_abort(struct exchange *x, enum eg_reason reason);

/* For the steps' files. detail lives as long as the pool. */
/* Denied: answered in the provider's own shape. */
void exchange_refuse(struct exchange *x, enum eg_reason reason, const char *detail);
/* Allowed, but it could not be done: answered likewise, or cut when an answer has begun. */
void exchange_fail(struct exchange *x, enum eg_reason reason, const char *detail);
/* The answer is whole and handed to the carrier. */
void exchange_answered(struct exchange *x);
