/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices of the caller's network namespace, listed and watched over rtnetlink(7) with
 * libmnl: of the monitor's, to find those whose other end lies in another namespace. Nothing here
 * waits: an answer that the kernel does not give at once is -EAGAIN.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct rtnl;

/* A device, or what is left of it. */
struct rtnl_link {
	uint32_t ifindex;
	int32_t peer_nsid; /* of the namespace its other end is in; -1: this one, or it has none */
	bool is_pair; /* one of two ends: veth, or netkit */
	bool is_gone;
	char name[IFNAMSIZ];
};

int rtnl_open(struct rtnl **ret) _must_check_;
struct rtnl *rtnl_close(struct rtnl *r); /* returns NULL */
int rtnl_fd(const struct rtnl *r); /* readable: call rtnl_drain() */

/* The link is borrowed. */
typedef void (*rtnl_fn)(void *ctx, const struct rtnl_link *link);
/* Every device there is now. -EINTR: it changed meanwhile, so ask again. */
int rtnl_list(struct rtnl *r, rtnl_fn fn, void *ctx) _must_check_;
/* Devices that came, changed or went, at most `max` datagrams full; returns how many of those there
 * were. -ENOBUFS: some were lost, so list them all again. */
int rtnl_drain(struct rtnl *r, unsigned max, rtnl_fn fn, void *ctx) _must_check_;
/* The number under which peer_nsid names a namespace; it is given one if it had none. */
int rtnl_nsid(struct rtnl *r, int netns_fd, int32_t *ret) _must_check_;
