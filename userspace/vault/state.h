/* SPDX-License-Identifier: Apache-2.0 */
/* What vault.c, from_monitor.c and from_worker.c share: the vault's state. Private to them. */
#pragma once

#include "base/log.h"
#include "event/channel.h"
#include "vault/authority.h"
#include "vault/key_read.h"
#include "vault/keys.h"
#include "vault/lease.h"
#include "vault/tickets.h"
#include "vault/vault.h"

#define VAULT_PEERS_MAX 1024u

/* A worker. */
struct peer {
	struct vault *vault;
	struct peer *next, **prev;
	struct channel *channel;
	uint32_t index;
};

/* A credential being read; the monitor waits for its reply. */
struct reading {
	struct vault *vault;
	struct reading *next, **prev;
	struct key_read *read;
	struct eg_credential credential;
	uint32_t msg_id;
};

struct vault {
	struct loop *loop;
	struct channel *monitor;
	struct authority *authority;
	struct keys *keys;
	struct leases *leases;
	struct tickets tickets;
	struct peer *peers;
	size_t n_peers;
	struct reading *readings;
	struct timer stop_at; /* runs while stopping */
	struct timer daily;
	struct log_limit notes;
	unsigned leaf_hours;
	bool stopping;
	int status; /* exit status */
};

/* vault.c */
/* Tells the operator (an event) and the log. `reason` as in enum eg_reason; allowed: no refusal. */
void vault_note(struct vault *v, unsigned reason, const char *workload, const char *host,
		const char *fmt, ...) _printf_(5, 6);
void vault_peer_free(struct peer *p); /* NULL-safe; the last one ends a vault that is stopping */
void vault_stop(struct vault *v); /* leaves the loop */
/* Tells the operator once a day when the CA is near its end. */
void vault_check_ca(struct vault *v);

/* from_monitor.c */
void from_monitor(struct channel *ch, void *ctx, struct msg *m);
void from_monitor_done(struct vault *v); /* ends readings in flight */

/* from_worker.c: ctx is the peer. */
void from_worker(struct channel *ch, void *ctx, struct msg *m);
