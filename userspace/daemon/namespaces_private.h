/* SPDX-License-Identifier: Apache-2.0 */
/* What namespaces.c, which finds them, and namespaces_table.c, which keeps them, share. */
#pragma once

#include <sys/queue.h>

#include "daemon/namespace.h"
#include "daemon/namespaces.h"
#include "daemon/shares.h"

struct backstop;
struct census;

#define NAMESPACES_BUCKETS 256u

LIST_HEAD(bucket, namespace);

struct namespaces {
	struct namespaces_opts opts;
	struct shares shares;
	struct census *census;
	struct backstop *backstop;
	struct timer next; /* census */
	uint64_t pause_us; /* before the one after it */
	uint64_t home, home_ino; /* the monitor's own */
	uint64_t last; /* number given */
	unsigned n;
	bool is_soon; /* `next` is near */
	bool is_short; /* somebody was turned away since the last census */
	TAILQ_HEAD(, namespace) all;
	struct bucket by_cookie[NAMESPACES_BUCKETS], by_ino[NAMESPACES_BUCKETS];
};

struct namespace *namespaces_by_cookie(const struct namespaces *n, uint64_t cookie);
/* An inode number is its namespace's while somebody holds it, and we do. */
struct namespace *namespaces_by_ino(const struct namespaces *n, uint64_t ino);
/* 0, -EMFILE: as many as may be; -EDQUOT: that cgroup has its share. */
int namespaces_room(const struct namespaces *n, uint64_t share) _must_check_;
/* A new one, guarded from now on. Takes netns_fd. NULL: out of memory. */
struct namespace *namespaces_put(struct namespaces *n, uint64_t cookie, int netns_fd) _must_check_;
void namespaces_drop(struct namespaces *n, struct namespace *ns);
/* The kernel learns what its own resolvers are now. */
void namespaces_tell_dns(struct namespaces *n, const struct namespace *ns);
/* Its workers get the families in the bit set; 0: they close all they have. */
void namespaces_tell(struct namespaces *n, const struct namespace *ns, unsigned families);
