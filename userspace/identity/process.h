/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process by its directory in /proc. The open directory is bound to that one process: when it is
 * gone every look through it fails, even after its number was given to another.
 */
#pragma once

#include <sys/types.h>

#include "base/cleanup.h"
#include "base/slice.h"

/* Opens PROC/PID if it is the process that started at `start_ns` since boot (0: any). The kernel's
 * clock ticks decide, 10 ms each. Returns the directory; -ESRCH: gone, a zombie, or another one. */
int process_open(const char *proc, pid_t pid, uint64_t start_ns) _must_check_;
/* When it started, in ns since boot, rounded down to a tick. -ESRCH. */
int process_start(int dir, uint64_t *ret) _must_check_;
/* Real uid and gid. */
int process_owner(int dir, uint32_t *ret_uid, uint32_t *ret_gid) _must_check_;
/* The name that it gave itself. */
int process_comm(int dir, char *ret, size_t size) _must_check_;
/* Path of its cgroup in the cgroup2 hierarchy, as this process's cgroup namespace shows it. */
int process_cgroup(int dir, char *ret, size_t size) _must_check_;
/* Inode of a namespace, by PATH below `dir` and its kind: "ns/net", "net". -ENOENT: what stands
 * there is none; other errors as of readlink(). */
int process_namespace(int dir, const char *path, const char *kind, uint64_t *ret) _must_check_;
/* Reads one of its files, at most size - 1 bytes, and adds a NUL. Length, or -errno. */
ssize_t process_read(int dir, const char *name, char *ret, size_t size) _must_check_;
