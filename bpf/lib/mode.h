/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The mode of a cgroup: its own, or that of the nearest above it that has one. */
#pragma once

#include "lib/maps.h"

#define MODE_DEPTH_NEAR 4 /* levels walked without a call for each: where most cgroups end */
#define MODE_DEPTH_MAX	64

static __always_inline int mode_any(void)
{
	__u32 zero = 0, *on = bpf_map_lookup_elem(&eg_switch, &zero);

	return on && *on;
}

struct mode_walk {
	struct cgroup *cgroup;
	struct eg_mode *ret;
};

static __always_inline long mode_step(struct mode_walk *w)
{
	struct cgroup_subsys_state *above;
	struct eg_mode *m;

	if (w->cgroup->bpf_cgrp_storage) { /* most have none, of anybody's: saves the call */
		m = bpf_cgrp_storage_get(&eg_mode, w->cgroup, 0, 0);
		if (m) {
			*w->ret = *m;
			return 1;
		}
	}
	above = w->cgroup->self.parent;
	if (!above) {
		*w->ret = (struct eg_mode){};
		return 1;
	}
	w->cgroup = above->cgroup;
	return 0;
}

static long mode_level(__u32 i, struct mode_walk *w)
{
	return mode_step(w);
}

/*
 * Zeroed when policy says nothing. Whoever nests deeper than we look has hidden what policy said,
 * and may reach nothing: doubt denies.
 */
static __noinline int mode_of(struct cgroup *cgroup, struct eg_mode *ret)
{
	struct mode_walk w = { .cgroup = cgroup, .ret = ret };

	for (int i = 0; i < MODE_DEPTH_NEAR; i++)
		if (mode_step(&w))
			return 0;
	*ret = (struct eg_mode){ .capture = EG_CAPTURE_ALL, .egress = EG_EGRESS_DENY };
	bpf_loop(MODE_DEPTH_MAX, mode_level, &w, 0);
	return 0;
}
