/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of credentials to workers: what the answer says, and who was given what. Counts by
 * credential and workload, so that the first use of a key by a workload can be told to the
 * operator. Called by vault.c. Never holds a value longer than the answer.
 */
#pragma once

#include "egret/rpc.h"
#include "vault/keys.h"

#define LEASE_PAIRS_MAX 4096u

struct leases;

int leases_new(uint32_t ttl_ms, struct leases **ret) _must_check_;
struct leases *leases_free(struct leases *l);

/* Decides one request. ret->status: 0 (and *ret_value is the credential, borrowed from k), ENOENT
 * no such credential of that provider, EIO its source was never readable, EINVAL unterminated
 * strings. *ret_first: this workload gets this credential for the first time. */
void leases_grant(struct leases *l, const struct keys *k, const struct eg_lease *q,
		  struct eg_leased *ret, struct slice *ret_value, bool *ret_first);
/* Grants to that workload so far; 0 when there is no such pair. */
uint64_t leases_count(const struct leases *l, const char *credential, const char *workload);
