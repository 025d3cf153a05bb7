/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of TLS session tickets, the same for all workers: a session may resume at any of them. New
 * every 12 hours; the one before still opens tickets for another 12. Kept in locked memory only, so
 * all tickets die with the vault. Called by vault.c; time is a parameter.
 */
#pragma once

#include "base/secret.h"
#include "egret/rpc.h"

#define TICKETS_ROTATE_US (12ull * 3600 * 1000000)

struct tickets {
	struct secret keys; /* struct eg_tickets */
	uint64_t made_us; /* CLOCK_MONOTONIC */
};

/* -ENOMEM (nothing could be locked), -EIO (no random numbers). */
int tickets_init(struct tickets *t, uint64_t now_us) _must_check_;
void tickets_done(struct tickets *t);
/* The keys at now_us, borrowed until the next call. -EIO. */
int tickets_get(struct tickets *t, uint64_t now_us, const struct eg_tickets **ret) _must_check_;
