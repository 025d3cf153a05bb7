/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials leased from the vault: held in locked memory that no core image shows, for the time
 * the vault says, then zeroed. One request to the vault however many wait. A rotation ends leases
 * by generation. The bytes go nowhere but into the head of a request (proxy/egress.c).
 */
#pragma once

#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "egret/rpc.h"
#include "event/loop.h"

struct channel;
struct leases;

/* A credential in use. It outlives its end in the table while someone holds it. */
struct lease {
	struct secret key;
	unsigned refs;
};

/* lease is NULL and reason says why (no_credential, credential_unavailable). Borrowed. */
typedef void (*lease_fn)(void *ctx, struct lease *lease, enum eg_reason reason);
/* Leases of that credential id have been revoked: connections that carried it should go. */
typedef void (*lease_revoked_fn)(void *ctx, struct slice credential);

struct lease_wait {
	struct lease_entry *entry; /* private, as all of it */
	lease_fn fn;
	void *ctx;
	TAILQ_ENTRY(lease_wait) link;
};

struct lease_want {
	struct slice provider, credential; /* credential empty: the provider's default */
	struct slice workload; /* for the vault's count of grants */
};

int lease_new(struct loop *l, lease_revoked_fn on_revoked, void *ctx,
	      struct leases **ret) _must_check_;
struct leases *lease_free(struct leases *l);
/* The channel to the vault, NULL while there is none; must outlive its use here. */
void lease_set_vault(struct leases *l, struct channel *vault);

/* Calls back before returning when it is held, else later, exactly once unless cancelled. */
void lease_get(struct leases *l, const struct lease_want *want, struct lease_wait *w, lease_fn fn,
	       void *ctx);
void lease_cancel(struct lease_wait *w);
/* Ends those older than a generation of the vault's. */
void lease_revoke(struct leases *l, uint32_t generation);
size_t lease_count(const struct leases *l);

struct lease *lease_ref(struct lease *lease);
struct lease *lease_unref(struct lease *lease); /* NULL-safe; zeroes with the last; returns NULL */
