/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's insides, for session.c, which reads and keeps the order of things, and
 * session_answer.c, which frames and sends answers.
 */
#pragma once

#include "base/buf.h"
#include "event/loop.h"
#include "proto/h1.h"
#include "proxy/conn.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/session.h"

#define SESSION_DRAIN_MAX ((uint64_t)256 * 1024) /* body bytes thrown away to keep a connection */

/*
 * IDLE -> HEAD -> EXCHANGE -> (DRAIN ->) IDLE; any -> ENDING, from EXCHANGE once its answer is out.
 */
enum session_state {
	SESSION_IDLE, /* nothing of a request has come */
	SESSION_HEAD, /* some of its head has */
	SESSION_EXCHANGE, /* the exchange is at it */
	SESSION_DRAIN, /* answered; the rest of its body is thrown away */
	SESSION_ENDING, /* nothing more is read; `out` goes first */
};

struct session {
	struct downstream down;
	struct conn *conn;
	enum session_state state;
	struct h1 *requests;
	struct pool pool; /* of the request at hand and its answer */
	struct exchange exchange;
	struct buf in; /* received, not yet parsed: mostly nothing */
	struct buf out; /* not yet taken by the client */
	struct later run_later;
	bool running; /* within run() or what leads to it... */
	bool again; /* ...which then has something new to see */
	bool request_done; /* the request at hand has been parsed to its end */
	bool body_begun;
	bool keep; /* the connection serves another request after this */
	bool stalling; /* the deadline is for the client to take some of `out` */
	bool broken; /* the client is gone */
	uint64_t thrown; /* body bytes, in DRAIN */
	enum http_body framing; /* of the answer */
};

static inline struct worker *session_worker(const struct session *s)
{
	return s->conn->w;
}

/* session.c: something changed that it must look at; it may be what is calling. */
void session_wake(struct session *s);
void session_set_deadline(struct session *s, uint64_t ms); /* 0: none */

/* session_answer.c: sends what it can of `out`; the client's going is noted in `broken`. */
extern const struct downstream_ops session_ops;
void session_write(struct session *s);
