/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side read from the pins (dataplane/inspect.h), for commands whose daemon is dead: what
 * it attached goes on without it, and this is how to look at that.
 */
#pragma once

#include "base/diag.h"
#include "cli/out.h"
#include "dataplane/cgroup_walk.h"
#include "dataplane/inspect.h"

/* Says on standard error that the daemon is not there, and begins a list of rows "from": "pins".
 * Negative: noted. */
int pinned_open(struct cli *cli, const struct diag *dead, struct inspect **ret) _must_check_;
void pinned_close(struct inspect **in);
/* The directory that its links are attached to. -ENOENT: to none. */
int pinned_cgroup(const struct inspect *in, const char *mount, char *to, size_t size) _must_check_;
/* Every cgroup below it and itself; fn returns 0 to go on, negative when it has noted a failure. */
typedef int (*pinned_cgroups_fn)(void *ctx, const struct cgroup_item *i);
int pinned_cgroups(struct cli *cli, const struct inspect *in, pinned_cgroups_fn fn,
		   void *ctx) _must_check_;
/* 0, or notes that `what` could not be read: error is what inspect.h returned, or an earlier
 * failure of the list, which stays. */
int pinned_check(struct cli *cli, int error, const char *what) _must_check_;
