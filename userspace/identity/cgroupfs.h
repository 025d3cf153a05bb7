/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a cgroup's id to its path, by the kernel's own file handle: no search, no cache, and right
 * also when the process that was in it is gone. Needs CAP_DAC_READ_SEARCH.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define CGROUPFS_PATH_MAX 4096

struct cgroupfs {
	int mount_fd;
	char mount[CGROUPFS_PATH_MAX]; /* where cgroup2 is mounted */
	char attached[CGROUPFS_PATH_MAX]; /* the hooks' cgroup below it: "/", "/a" */
};

/* `dir`: the cgroup the hooks are attached to, anywhere on a cgroup2 mount. */
int cgroupfs_open(struct cgroupfs *fs, const char *dir) _must_check_;
void cgroupfs_close(struct cgroupfs *fs);
/* Path below the mount: "/a/b". -ENOENT: gone; -ENAMETOOLONG; -EPERM: no capability. */
int cgroupfs_path(const struct cgroupfs *fs, uint64_t id, char *ret, size_t size) _must_check_;
/* The id of a path below the mount. -ENOENT. */
int cgroupfs_id(const struct cgroupfs *fs, struct slice path, uint64_t *ret) _must_check_;
/* What is left of a path below the attached cgroup, beginning with a slash ("/" for itself); empty
 * when it is elsewhere. */
struct slice cgroupfs_below(const struct cgroupfs *fs, struct slice path);
