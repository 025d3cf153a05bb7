/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault process: the CA's key and the providers' keys. It has no network, no files but the fds
 * it is handed, and sees no byte from the network. Keys live in locked memory that no core image
 * holds; workers get a credential as a lease with an end, counted by credential and workload.
 *
 * Configuration, the JSON text of its start message:
 *   { "lease_ms": N, "leaf_hours": N (1-24), "ca_days": N, "overlap_days": N }
 * All may be missing: 300000, 24, 1825, 7. See authority.h for the overlap of two CAs.
 *
 * Needs of its sandbox: locked memory (RLIMIT_MEMLOCK of 8 MiB serves about 60 workers), and no
 * system call beyond those of a process that reads, writes, maps and locks memory, and syncs the
 * fds it is handed.
 */
#pragma once

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"
#include "egret/rpc.h"

struct vault;

/* Takes channel_fd; there are no fds. Before the sandbox closes. */
int vault_new(int channel_fd, const struct eg_start *start, struct slice config, const int *fds,
	      unsigned n_fds, struct diag *d, struct vault **ret) _must_check_;
/* Says ready, serves until told to stop or the monitor goes. Returns the exit status. */
int vault_run(struct vault *v);
struct vault *vault_free(struct vault *v);
