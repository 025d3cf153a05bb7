/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's channel to the vault: leaf certificates, ticket keys, leases and their end. The
 * vault may die and be replaced; until the next one is introduced, what needs it fails with a
 * reason.
 */
#pragma once

#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/slice.h"

struct worker;

struct vault_link {
	struct worker *w;
	LIST_HEAD(, mint_call) minting;
	struct mint_call *spare;
};

void vault_link_init(struct worker *w);
/* A new vault; takes fd. */
int vault_link_open(struct worker *w, int fd) _must_check_;
void vault_link_close(struct worker *w);
/* tls_mint_fn; ctx is the worker. */
void vault_link_mint(void *ctx, struct slice host, struct slice spki_der);
