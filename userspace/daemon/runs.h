/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroups of `egret run`: CGROUP/egret/run/WORKLOAD/ID, one a command, made when it starts and
 * removed when its last process has gone. They are root's: no process can put itself into one.
 */
#pragma once

#include <sys/types.h>

#include "base/diag.h"
#include "event/loop.h"

#define RUNS_MAX 4096u /* at a time */

struct runs;

struct runs_opts {
	struct loop *loop;
	const char *cgroup; /* that is enforced */
	void (*on_new)(void *ctx, const char *dir); /* one is there, nobody is in it yet */
	void *ctx;
};

/* Finds those that an earlier daemon left, and removes the empty ones. */
int runs_new(const struct runs_opts *o, struct diag *d, struct runs **ret) _must_check_;
struct runs *runs_free(struct runs *r); /* leaves cgroups as they are; returns NULL */
/*
 * Moves a process into a new cgroup of the workload's. pidfd says that `pid` is still the process
 * that is meant; -EBADF (kernels before 6.5): it must be of `uid` then. ret_path: the directory.
 * -ESRCH: it is gone. -EMFILE: too many at a time.
 */
int runs_enter(struct runs *r, const char *workload, pid_t pid, int pidfd, uid_t uid,
	       char *ret_path, size_t size) _must_check_;
const char *runs_base(const struct runs *r); /* directory with those of the workloads */
/* The workload in whose cgroup a process is already: 1; 0 when in none; -errno when that can't be
 * seen. base: the path of runs_base() below the mount. */
int runs_workload_of(const char *base, pid_t pid, char *ret, size_t size) _must_check_;
size_t runs_count(const struct runs *r);
