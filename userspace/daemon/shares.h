/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose is a namespace: the cgroup it counts for, so that nobody can take more than a share of what
 * the monitor gives, nor its time. A workload that may make cgroups of its own has one share for
 * all of them: that of the outermost that was given to it, or of its container.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/slice.h"
#include "identity/cgroupfs.h"

#define SHARES_SLOTS 1024u

struct shares {
	struct cgroupfs fs;
	uint64_t all_us; /* as slot.at_us, for everybody together */
	/* By hash of the cgroup's id. Two that meet in one push each other out, and may ask more.
	 */
	struct {
		uint64_t cgroup;
		uint64_t at_us; /* when all that was asked would be worked off */
	} slot[SHARES_SLOTS];
};

/* `dir`: the cgroup that is enforced. */
int shares_open(struct shares *s, const char *dir) _must_check_;
void shares_close(struct shares *s);
bool shares_is_enforced(const struct shares *s, struct slice path);
bool shares_is_whole(const struct shares *s); /* every cgroup is enforced */
/* Id of the cgroup that the one at `path` (below the mount) counts for. -ENOENT: not enforced. */
int shares_of(const struct shares *s, struct slice path, uint64_t *ret) _must_check_;
/* May anybody / may this cgroup make the monitor look once more? now_us: monotonic. */
bool shares_take_any(struct shares *s, uint64_t now_us) _must_check_;
bool shares_take(struct shares *s, uint64_t cgroup, uint64_t now_us) _must_check_;
