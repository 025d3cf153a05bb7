/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads of one cgroup hold of what a worker has to give, so that no cgroup can take
 * all of it. There is a share for each cgroup with a connection; whoever takes something counts it
 * here and gives it back.
 *
 * Of connections and open records one cgroup may hold half; seven eighths while no other has a
 * connection, so that one that comes later finds room. And since who may make cgroups below his own
 * could have many shares, all that are below one together may hold three quarters (bodies: half),
 * seven eighths while there is nobody else. The four levels below the root count, and the cgroup
 * that is enforced does not: everything is in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "egret/abi.h"
#include "proxy/conns.h"

struct worker;

struct share {
	uint64_t cgroup;
	struct share *above; /* of the cgroup above it that counts; held; or NULL */
	unsigned refs;
	size_t conns; /* its own */
	/* The same and what cgroups below it hold. */
	size_t all_conns, all_records;
	uint64_t all_body_bytes;
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

/* That of a flow's cgroup, made with its first connection; NULL: no memory. Give it back with
 * share_unref(). */
struct share *share_get(struct worker *w, const struct eg_flow *flow);
struct share *share_unref(struct share *s); /* NULL-safe; returns NULL */

/* May it have one more? */
bool share_may_connect(const struct worker *w, const struct share *s) _must_check_;
void share_add_conn(struct worker *w, struct share *s);
void share_remove_conn(struct worker *w, struct share *s);
bool share_may_record(const struct worker *w, const struct share *s, size_t max) _must_check_;
void share_add_record(struct share *s);
void share_remove_record(struct share *s);
/* Memory for bodies: false beyond limits.bodies_bytes, or beyond a quarter of it for one cgroup. */
bool share_take_body(struct worker *w, struct share *s, uint64_t n) _must_check_;
void share_give_body(struct worker *w, struct share *s, uint64_t n);
