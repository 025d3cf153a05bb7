/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount tables, for one purpose: knowing what file system a file lies on without asking it. A
 * FUSE file system answers when its owner likes, so a question to it could stop the daemon.
 */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/slice.h"

struct mount {
	uint32_t dev; /* kernel encoding: major << 20 | minor */
	struct slice type; /* borrowed from the text */
	struct slice where; /* mount point, with octal escapes */
};

/* The host's mount table, as process 1 has it (egretd's own namespace is private and may miss later
 * mounts), read again only after a change. */
struct mounts_host {
	int fd; /* of its mountinfo */
	struct buf table;
	bool fresh; /* there was no change before the table was read */
};

int mounts_host_open(struct mounts_host *h, const char *proc) _must_check_;
void mounts_host_close(struct mounts_host *h);
/* Empty when it cannot be read: then nothing is mounted, and nothing trusted. Valid until the next
 * call. */
struct slice mounts_host_table(struct mounts_host *h);

/* Reads DIR/mountinfo. -EMSGSIZE beyond 16 MiB. */
int mounts_read(int dir, struct buf *ret) _must_check_;
/* By mount id, as in /proc/PID/fdinfo. */
bool mounts_find_id(struct slice table, uint64_t id, struct mount *ret);
bool mounts_find_dev(struct slice table, uint32_t dev, struct mount *ret);
/* What a path lies on: the longest mount point it begins with, the last of equal ones. */
bool mounts_find_path(struct slice table, struct slice path, struct mount *ret);
/* Whether reading from it can be made to wait by an unprivileged user. */
bool mounts_may_hang(const struct mount *m);
/* Whether it is known for a file system that the kernel reads by itself, from a disk or memory. */
bool mounts_is_plain(const struct mount *m);
