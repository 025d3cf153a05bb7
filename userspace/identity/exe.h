/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program file of a process, as far as it can be trusted. It is opened through /proc/PID/exe
 * and must be the inode that the kernel recorded at connect(). Numbers are compared as the kernel
 * has them (inode from fdinfo, device from mountinfo), not as stat() shows them: on btrfs and
 * overlayfs stat() invents devices. Reading is refused on file systems that the host itself has not
 * mounted and on FUSE, which an unprivileged user serves and can stall.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/abi.h"

struct mounts_host;

#define EXE_PATH_MAX 4096

/* One content of one file, as far as the file system tells. */
struct exe_key {
	uint64_t dev, ino; /* as statx() shows them */
	uint64_t ctime_s, ctime_ns, size;
};

struct exe {
	int dir; /* of the process in /proc; borrowed */
	struct mounts_host *host; /* borrowed */
	const struct eg_flow *flow;
	int fd; /* O_PATH; -EBADF: none */
	char path[EXE_PATH_MAX]; /* as the process's own mount namespace has it; "" : unknown */
	struct exe_key key;
	enum { EXE_UNCHECKED, EXE_RECORDED, EXE_OTHER } is; /* the inode of the record? */
	bool readable; /* known with `is`: it may be opened for reading */
};

/* Looks, without any question that could wait. dir < 0: the process is gone; path stays empty. */
void exe_look(struct exe *e, struct mounts_host *host, int dir, const struct eg_flow *flow);
void exe_done(struct exe *e);
/* Whether it is the recorded inode; also finds out whether it may be read. Cheap after the first
 * time. */
bool exe_is_recorded(struct exe *e);
/* Whether the host, at the path that the process's link shows, has this very file. A process can
 * make any path in a mount namespace of its own. */
bool exe_is_at_its_path(struct exe *e);
/* Opens it for reading: a regular file that is the recorded one. -EPERM: must not be read. */
int exe_open(struct exe *e) _must_check_;
/* The key of an open file; -EINVAL: not a regular one. */
int exe_key_of(int fd, struct exe_key *ret) _must_check_;
bool exe_key_eq(const struct exe_key *a, const struct exe_key *b);
/* Kernel's inode number and mount of an open file. */
int exe_kernel_inode(int fd, uint64_t *ret_ino, uint64_t *ret_mount) _must_check_;
