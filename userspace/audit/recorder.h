/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder process: drains the workers' slabs into SQLite (WAL, group commit), stores events,
 * answers `audit` and `event` queries on control connections the monitor hands over. It lives in
 * its own directory (the fd of its start message) and sees nothing else of the file system.
 *
 * Configuration, the JSON text of its start message:
 *   { "keep_days": N (0: for ever), "max_bytes": N (0: unbounded), "commit_ms": N }
 */
#pragma once

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"
#include "egret/rpc.h"

struct recorder;

/* Takes channel_fd and fds[0], the audit directory. Called after the process has made that
 * directory its root ("/") and dropped its rights, before seccomp closes: opens the database there.
 */
int recorder_new(int channel_fd, const struct eg_start *start, struct slice config, const int *fds,
		 unsigned n_fds, struct diag *d, struct recorder **ret) _must_check_;
/* Says ready, serves until told to stop or the monitor goes; what is committed in the slabs is
 * stored before it returns the exit status. */
int recorder_run(struct recorder *r);
struct recorder *recorder_free(struct recorder *r);
