/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's channel to the vault: leaf certificates, ticket keys, leases and their end. The
 * vault may die and be replaced; until the next one is introduced, what needs it fails with a
 * reason. One that is introduced while the one before lives (an upgrade) gets all that is asked
 * from then on; the one before may still answer what it was asked.
 */
#pragma once

#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/slice.h"
#include "event/loop.h"

struct channel;
struct worker;

struct vault_link {
	struct worker *w;
	LIST_HEAD(, mint_call) minting;
	struct mint_call *spare;
	struct channel *before; /* to the vault before, while it may owe answers; or NULL */
	struct timer retire;
};

void vault_link_init(struct worker *w);
/* A new vault; takes fd. */
int vault_link_open(struct worker *w, int fd) _must_check_;
void vault_link_close(struct worker *w);
/* tls_mint_fn; ctx is the worker. */
void vault_link_mint(void *ctx, struct slice host, struct slice spki_der);
