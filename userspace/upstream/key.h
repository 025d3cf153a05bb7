/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connections are sorted by: provider, host, port and credential. A key holds its idle
 * connections and the TLS session to resume, so neither can reach another credential. When trust or
 * a credential changes, keys are retired: they can no longer be found, what still uses one is
 * closed when it comes back. Called by pool.c, call.c, handshake.c.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "upstream/pool.h"

#define KEYS_MAX     1024u
#define KEYS_BUCKETS 1024u

struct conn;

struct upstream_key {
	struct upstream_key *next_hash;
	struct upstream_key *newer,
		*older; /* among those nothing refers to, kept for the session */
	struct upstream_keys *table;
	struct conn *idle; /* most recently used first */
	SSL_SESSION *session; /* to resume; NULL: none */
	unsigned refs; /* connections (idle too) and calls */
	bool retired; /* no longer in the table */
	uint64_t hash;
	unsigned provider;
	uint16_t port;
	size_t host_n, credential_n;
	char text[]; /* host NUL credential */
};

struct upstream_keys {
	struct upstream_key *buckets[KEYS_BUCKETS];
	struct upstream_key *newest, *oldest;
	unsigned n;
};

/* NULL: there is none. */
struct upstream_key *upstream_key_find(struct upstream_keys *t, const struct upstream_target *to);
/* Found or made, with a reference more. -EBUSY: KEYS_MAX are in use, -ENOMEM. */
int upstream_key_get(struct upstream_keys *t, const struct upstream_target *to,
		     struct upstream_key **ret) _must_check_;
struct upstream_key *upstream_key_ref(struct upstream_key *k);
void upstream_key_unref(struct upstream_key *k);
/* The target that leads to this key; lives as long as it. */
struct upstream_target upstream_key_target(const struct upstream_key *k);
/* Takes the session (may be NULL). A retired key keeps none. */
void upstream_key_set_session(struct upstream_key *k, SSL_SESSION *session);
/* Retires every key, or with a credential those of it. Idle connections must be gone before or
 * closed by the caller. */
void upstream_keys_retire(struct upstream_keys *t, const struct slice *credential);
