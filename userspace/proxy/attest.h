/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a flow record to a principal, as the monitor attests it, kept: a process is asked about once
 * however many connections it opens. The key is everything an answer depends on: cgroup of the
 * caller and of the socket's creator, process (a pid with its start), program, user and group.
 * Bounded, least recently used first; a new policy empties it. It never guesses: no answer is no
 * principal.
 */
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "egret/rpc.h"

struct attest;
struct channel;

/* A principal, shared by all who hold it. */
struct attested {
	struct eg_principal who;
	unsigned refs;
};

/* NULL: the monitor could not say (identity_unavailable). Borrowed: attest_ref() what you keep. */
typedef void (*attest_fn)(void *ctx, struct attested *a);

/* Embedded in whoever waits; zero when not waiting. */
struct attest_wait {
	struct attest_entry *entry; /* private, as all of it */
	attest_fn fn;
	void *ctx;
	TAILQ_ENTRY(attest_wait) link;
};

#define ATTEST_MAX_DEFAULT 4096u

/* The channel to the monitor must outlive it. */
int attest_new(struct channel *monitor, size_t max, struct attest **ret) _must_check_;
struct attest *attest_free(struct attest *a);

/* Calls back before returning when the answer is kept, else later, exactly once unless cancelled.
 */
void attest_get(struct attest *a, const struct eg_flow *flow, struct attest_wait *w, attest_fn fn,
		void *ctx);
void attest_cancel(struct attest_wait *w);
/* The policy in force is now this generation: what was matched against another is not kept. */
void attest_flush(struct attest *a, uint32_t generation);
size_t attest_count(const struct attest *a);

struct attested *attest_ref(struct attested *who);
struct attested *attest_unref(struct attested *who); /* NULL-safe; returns NULL */
