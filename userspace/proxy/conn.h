/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's connection, from the accepted socket to its end: the ClientHello is read without being
 * taken; a name that is not governed is passed through untouched; for one that is, TLS is
 * terminated and an HTTP session speaks. Owns the socket and the SSL. It dies in the loop, never
 * under whoever calls it.
 */
#pragma once

#include <sys/queue.h>

#include "event/loop.h"
#include "proxy/caller.h"
#include "proxy/deadline.h"
#include "tls/server.h"

struct passthrough;
struct session;
struct tls_wait;
struct worker;

/*
 * HELLO -> PASSTHROUGH, or HELLO -> MINT -> HANDSHAKE -> OPEN; each -> CLOSING (what was said last
 * is being taken by the client) or CLOSED. PASSTHROUGH -> MINT when a client speaks late (greet.h).
 */
enum conn_state {
	CONN_HELLO,
	CONN_MINT,
	CONN_HANDSHAKE,
	CONN_OPEN,
	CONN_PASSTHROUGH,
	CONN_CLOSING,
	CONN_CLOSED,
};

struct conn {
	struct worker *w;
	enum conn_state state;
	int fd;
	struct io io;
	struct deadline deadline;
	struct caller caller;
	struct attest_wait identifying;
	struct tls_wait *minting;
	SSL *ssl;
	struct session *session; /* in OPEN */
	struct passthrough *passthrough; /* in PASSTHROUGH */
	uint64_t since_us;
	uint64_t requests, bytes_in, bytes_out;
	size_t drained; /* in CLOSING: bytes thrown away */
	bool is_chained; /* what came first is no TLS, but a server may skip it (bpf/lib/chain.h) */
	bool has_spoken; /* a first byte has come, or must: the whole hello has its time */
	bool is_idle; /* on the list of those that may be closed to make room */
	TAILQ_ENTRY(conn) link;
	TAILQ_ENTRY(conn) in_share; /* while idle */
};

/* A connection that the kernel says is `flow`. Takes fd, whatever happens. */
void conn_start(struct worker *w, int fd, const struct eg_flow *flow);
/* Ends it now; memory goes at the end of the loop's turn. With `reset` the client sees a broken
 * connection, whatever it was told before. */
void conn_close(struct conn *c, bool reset);
/* Ends it once the client has had the time to take what was sent: says so in TLS, then waits. */
void conn_linger(struct conn *c);
/* The client ended before a first request: perhaps it does not trust our CA (some look at the
 * certificate only after the handshake). */
void conn_note_end(struct conn *c);
/* Ends it before there is HTTP: with an event and, where one fits, a TLS alert. text: what to do;
 * NULL: the reason's own advice. */
void conn_refuse(struct conn *c, enum eg_reason reason, const char *text);
/* Its name is governed: identity, certificate, TLS, session. */
void conn_terminate(struct conn *c);
/* For the list of the dead: a closed one's memory. */
struct conn *conn_bury(struct conn *c);
