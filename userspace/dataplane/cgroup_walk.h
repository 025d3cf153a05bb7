/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every cgroup from one down, each before those in it, with the mode that holds there: one a call,
 * so that whoever has other things to do can stop in between. Cgroups that come and go meanwhile
 * may be missed or seen; nothing else is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "egret/abi.h"

struct cgroup_walk;
struct inspect;

struct cgroup_item {
	const char *path; /* below the mount: "/", "/a/b" */
	uint64_t id;
	int fd; /* its directory, for its path only: the walk's */
	unsigned depth; /* 0: where the walk began */
	struct eg_mode mode; /* that holds */
	bool has_own; /* it lies on this cgroup, not on one above */
};

/* dir: where to begin; path: the same below the mount. `in` must outlive it; -errno of opening. */
int cgroup_walk_new(const struct inspect *in, const char *dir, const char *path,
		    struct cgroup_walk **ret) _must_check_;
struct cgroup_walk *cgroup_walk_free(struct cgroup_walk *w); /* returns NULL */
/* 1 with *ret, valid until the next call; 0: there is no more; -errno: it cannot go on. */
int cgroup_walk_next(struct cgroup_walk *w, struct cgroup_item *ret) _must_check_;

/* Processes in a cgroup itself; 0 where the kernel does not say. */
unsigned cgroup_processes(int cgroup_fd);
