/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads of one cgroup hold of what a worker has to give, so that no cgroup can take
 * all of it. There is a share for each cgroup with a connection; whoever takes something counts it
 * here and gives it back.
 *
 * Of connections and open records one cgroup may hold half; seven eighths while no other has a
 * connection, so that one that comes later finds room.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "proxy/conns.h"

struct worker;

struct share {
	uint64_t cgroup;
	unsigned refs;
	size_t conns;
	struct conn_list
		idle; /* those of them that may be closed to make room, longest idle first */
	size_t records; /* open ones */
	uint64_t body_bytes; /* memory of bodies that are kept whole */
	LIST_ENTRY(share) link;
};

#define SHARES_BUCKETS 1024u

struct shares {
	size_t n; /* with a connection */
	uint64_t body_bytes; /* of all */
	LIST_HEAD(, share) buckets[SHARES_BUCKETS];
};

/* That of a cgroup, made with its first connection; NULL: no memory. Give it back with
 * share_unref(). */
struct share *share_get(struct worker *w, uint64_t cgroup);
struct share *share_unref(struct share *s); /* NULL-safe; returns NULL */

/* May it have one more than n of max? */
bool share_may(const struct worker *w, size_t n, size_t max) _must_check_;
/* Memory for bodies: false beyond limits.bodies_bytes, or beyond a quarter of it for one cgroup. */
bool share_take_body(struct worker *w, struct share *s, uint64_t n) _must_check_;
void share_give_body(struct worker *w, struct share *s, uint64_t n);
