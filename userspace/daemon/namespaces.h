/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of enforced processes other than the monitor's own: in each there are stamped
 * listeners, on its devices the backstop, connections older than enforcement are ended once, and
 * DNS answers from the resolvers that its processes are configured with are learned from.
 * Found when the kernel reports their first socket or a refused connection, and by looking at all
 * processes now and then; given up when no enforced process is left in one, because a listener
 * pins it. Bounded in number and in the time that anybody can make the monitor spend.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/diag.h"
#include "base/json.h"
#include "egret/abi.h"
#include "event/loop.h"

struct channel;
struct children;
struct dataplane;
struct namespaces;
struct own_dns;
struct warnings;

struct namespaces_opts {
	struct loop *loop;
	struct dataplane *dp;
	struct children *children;
	struct warnings *warnings;
	unsigned max;
};

#define NAMESPACES_MAX 1024u

/* To the next generation and from the last: each namespace with its listeners. NULL: no memory. */
json_t *namespaces_hand_over(const struct namespaces *n);
int namespaces_take(struct namespaces *n, const json_t *list) _must_check_;
int namespaces_new(const struct namespaces_opts *o, struct diag *d,
		   struct namespaces **ret) _must_check_;
/* Their listeners close, the backstop stays. Returns NULL. */
struct namespaces *namespaces_free(struct namespaces *n);
/*
 * The kernel says: that process made a socket, or was refused a connection, in a namespace without
 * a listener. Opens one if it can; returns what a person can do about the refusal.
 */
const char *namespaces_seen(struct namespaces *n, const struct eg_flow *flow) _must_check_;
/* A process that is or was in that namespace; 0: it is none of those. */
pid_t namespaces_whose(const struct namespaces *n, uint64_t netns);
/* A borrowed fd of it; -1 for the monitor's own. -ENOENT: it is none of those. */
int namespaces_fd(const struct namespaces *n, uint64_t netns, int *ret_fd) _must_check_;
/* Where a socket is made for what a process of that namespace sends by way of egret: a borrowed fd;
 * -1: in the monitor's own, which it is too when the address is governed and the backstop would
 * drop it. -ENOENT: it is none of those. */
int namespaces_outlet(const struct namespaces *n, uint64_t netns, bool is_governed,
		      int *ret_fd) _must_check_;
/* Hands worker `index`, just started, the listeners that are its. */
int namespaces_send(const struct namespaces *n, struct channel *ch, unsigned index) _must_check_;
/* The one after `*cursor` (0: the first) as a borrowed fd, moving the cursor; -ENOENT at the end.
 */
int namespaces_next(const struct namespaces *n, uint64_t *cursor) _must_check_;

struct namespaces_state {
	uint64_t netns, ino; /* cookie, and inode as /proc/PID/ns/net shows it */
	uint64_t cgroup; /* that it counts for */
	pid_t pid; /* who made it known */
	bool has_ipv4, has_ipv6;
	const char *advice; /* why not both; "" */
	unsigned devices;
	uint64_t dropped; /* packets, by the backstop */
	const struct own_dns *own_dns; /* borrowed */
};
/* fn returns 0 to go on; anything else is returned. */
typedef int (*namespaces_fn)(void *ctx, const struct namespaces_state *state);
int namespaces_each(struct namespaces *n, namespaces_fn fn, void *ctx) _must_check_;

struct namespaces_counts {
	unsigned held, served, max;
	bool has_backstop; /* the kernel has tcx */
	unsigned devices;
	uint64_t dropped;
};
void namespaces_count(struct namespaces *n, struct namespaces_counts *ret);
