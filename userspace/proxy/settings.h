/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's configuration as its start message says it (proxy/worker.h). */
#pragma once

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"

#define SETTINGS_LIST_MAX 64

struct settings {
	uint64_t cgroup; /* that is enforced: its id; 0: nobody said */
	uint64_t connections, head_bytes, body_bytes, bodies_bytes, buffer_bytes;
	uint64_t hello_ms, handshake_ms, head_ms, idle_ms, body_ms, first_byte_ms, stall_ms;
	uint64_t connect_ms, upstream_idle_ms, upstream_idle_max;
	char *allow[SETTINGS_LIST_MAX]; /* CIDRs */
	size_t n_allow;
	char *resolvers[SETTINGS_LIST_MAX];
	size_t n_resolvers;
	bool resolve;
};

/* -EINVAL with d filled, -ENOMEM. */
int settings_read(struct settings *s, struct slice json, struct diag *d) _must_check_;
void settings_done(struct settings *s);
