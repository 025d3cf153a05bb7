/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Would the mode of its cgroup let a connection be made that is there already? The same questions
 * as bpf/lib/gate.h and decide.h ask, of the same maps. Private to dataplane/.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/sockdiag.h"

struct dataplane;

#define FORBIDDEN_PORTS 65536

/* For one sweep of one network namespace. */
struct forbidden {
	struct dataplane *dp;
	int mount_fd; /* the cgroup2 mount's root; borrowed */
	uint64_t netns; /* cookie */
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	/* the last cgroup that was asked about, and its mode */
	uint64_t cgroup;
	int cgroup_fd;
	struct eg_mode mode;
	uint8_t listens[FORBIDDEN_PORTS / 8]; /* TCP ports: what comes from there, a peer made */
};

void forbidden_init(struct forbidden *f, struct dataplane *dp, int mount_fd, uint64_t netns,
		    uint64_t now_ns);
void forbidden_done(struct forbidden *f);
void forbidden_note_listener(struct forbidden *f, const struct sockdiag_sock *sock);
/* False in doubt: what is forbidden all the same, the gate drops. */
bool forbidden_is(struct forbidden *f, const struct sockdiag_sock *sock);
