/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount tables, for one purpose: knowing what file system a program lies on without asking it. A
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

/* Reads DIR/mountinfo. -EMSGSIZE beyond 16 MiB. */
int mounts_read(int dir, struct buf *ret) _must_check_;
/* By mount id, as in /proc/PID/fdinfo. */
bool mounts_find_id(struct slice table, uint64_t id, struct mount *ret);
bool mounts_find_dev(struct slice table, uint32_t dev, struct mount *ret);
/* What a path lies on: the longest mount point it begins with, the last of equal ones. */
bool mounts_find_path(struct slice table, struct slice path, struct mount *ret);
/* Whether reading from it can be made to wait by an unprivileged user. */
bool mounts_may_hang(const struct mount *m);
