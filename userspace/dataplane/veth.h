/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backstop: bpf/veth.bpf.c on the host's side of devices whose other end is in a workload's
 * network namespace, by tcx (Linux 6.6). Which devices those are is for the caller to know
 * (rtnl.h). For the monitor, between dataplane_open() and dataplane_free(), in the network
 * namespace of the devices. Links are pinned as those of the hooks are, so that it holds while no
 * daemon runs: dataplane_attach() adopts and updates what it finds, dataplane_release() takes all
 * away.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct dataplane;

/* -EOPNOTSUPP: this kernel has no tcx. */
int veth_probe(const struct dataplane *dp) _must_check_;
/*
 * Attaches, first in order, or notes which namespace it is for when it is attached already. netns:
 * cookie, 0 when not known yet. -ENODEV: no such device (any more); -ENOSPC: VETH_MAX are attached.
 */
#define VETH_MAX 4096u
int veth_attach(struct dataplane *dp, uint32_t ifindex, uint64_t netns) _must_check_;
/* Also when the device has gone. Fine when nothing is attached to it. */
int veth_detach(struct dataplane *dp, uint32_t ifindex) _must_check_;

/* Every device that it is attached to. fn returns 0 to go on; it may detach that device. */
struct veth_state {
	uint32_t ifindex;
	uint64_t netns, dropped;
};
typedef int (*veth_fn)(void *ctx, const struct veth_state *state);
int veth_each(struct dataplane *dp, veth_fn fn, void *ctx) _must_check_;
