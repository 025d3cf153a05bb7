/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process: accepts redirected connections, terminates TLS, decides, relays. Made before
 * the sandbox closes (it reads resolv.conf then), run inside it. Parses everything hostile; holds
 * no privilege: what it needs comes over its channel from the monitor (headers/egret/rpc.h).
 *
 * Configuration, the JSON text of its start message; all members but "cgroup" are there:
 *
 *   limits    connections, head_bytes, body_bytes, bodies_bytes, buffer_bytes, hello_ms,
 *             handshake_ms, head_ms, idle_ms, body_ms, first_byte_ms, stall_ms: numbers
 *   upstream  connect_ms, idle_ms, idle_max: numbers; allow: CIDRs; resolvers: "ADDR[:PORT]"s
 *   resolve   whether this worker resolves the governed names for the endpoint map
 *   cgroup    id of the one that is enforced; 0: not known
 */
#pragma once

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"
#include "egret/rpc.h"

struct worker;

/* Takes channel_fd and fds (see `start` in rpc.h). */
int worker_new(int channel_fd, const struct eg_start *start, struct slice config, const int *fds,
	       unsigned n_fds, struct diag *d, struct worker **ret) _must_check_;
/* Says ready, serves until told to stop or the monitor goes. Returns the exit status. */
int worker_run(struct worker *w);
struct worker *worker_free(struct worker *w);
