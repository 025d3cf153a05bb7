/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroup v2 is mounted (on hybrid hosts not /sys/fs/cgroup), and ids of its directories. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Mount point of the first cgroup2 in /proc/self/mounts. -ENOENT: there is none. */
int cgroup_mount(char *ret, size_t size) _must_check_;
/* The same from mounts in another file (for tests). */
int cgroup_mount_in(const char *mounts, char *ret, size_t size) _must_check_;
/* The id that bpf_get_current_cgroup_id() gives for it. -ENOTDIR, -EINVAL: not in a cgroup2. */
int cgroup_id(const char *dir, uint64_t *ret) _must_check_;
/* Whether this process runs in `dir` or below. */
int cgroup_contains_self(const char *dir, bool *ret) _must_check_;
/* Whether the cgroup `id` is the cgroup `above` or below it. mount_fd: the cgroup2 mount's root,
 * open. -ESTALE: there is no such cgroup (any more). Needs CAP_DAC_READ_SEARCH. */
int cgroup_id_is_below(int mount_fd, uint64_t id, uint64_t above, bool *ret) _must_check_;
/* Its directory, opened for its path only. -ESTALE: there is no such cgroup (any more). */
int cgroup_open_id(int mount_fd, uint64_t id, int *ret_fd) _must_check_;
