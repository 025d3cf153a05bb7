/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of upstream/ share: a worker's pool and a connection. Private to them. */
#pragma once

#include "event/resolver.h"
#include "upstream/address.h"
#include "upstream/key.h"
#include "upstream/pool.h"
#include "upstream/stock.h"

#define UPSTREAM_DETAIL 400u /* bytes of the longest detail */

struct conn;
/* Once, from the loop. allowed: c->pub.ssl is ready. detail lives during the call. */
typedef void (*handshake_fn)(struct conn *c, enum eg_reason reason, const char *detail);

struct conn {
	struct upstream_conn pub;
	struct upstream *upstream;
	handshake_fn on_handshake;
	/* While idle: all of them by when they were put back, and those of the key. */
	struct conn *newer, *older;
	struct conn *next, **at; /* `at` points at what points here; NULL: not idle */
	uint64_t idle_since_us;
};

struct upstream {
	struct loop *loop;
	uint64_t connect_timeout_us, idle_us;
	unsigned idle_max;
	struct address_policy addresses;
	struct resolver *resolver;
	struct stock stock;
	SSL_CTX *trust; /* NULL: none was set yet */
	struct upstream_keys keys;
	struct conn *newest, *oldest; /* idle */
	struct timer sweep; /* for the oldest idle connection's end */
	struct upstream_call *calls;
	struct resolving *resolving;
	/* Where IPv6 is broken silently, each connection would wait for it: until then IPv4 goes
	 * first. */
	uint64_t first4_until_us;
	struct upstream_stats stats;
};

static inline struct conn *conn_of(struct upstream_conn *c)
{
	return container_of(c, struct conn, pub);
}

/* conn.c: takes fd; NULL: out of memory (fd is closed). Holds a reference of the key. */
struct conn *conn_new(struct upstream *u, int fd, struct upstream_key *key) _must_check_;
void conn_free(struct conn *c);
/* Says goodbye first, when nothing is under way on it. */
void conn_close_politely(struct conn *c);

/* idle.c */
void idle_put(struct conn *c, uint64_t now_us);
struct conn *idle_take(struct upstream_key *key); /* NULL: none */
/* All, or those that carried a credential. */
void idle_close(struct upstream *u, const struct slice *credential);

/* call.c */
struct upstream_call *upstream_call_new(struct upstream *u, const struct upstream_target *to,
					upstream_fn fn, void *ctx);
void upstream_call_free(struct upstream_call *call);
