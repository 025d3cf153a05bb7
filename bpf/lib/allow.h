/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Allow-lists: what an entry lets through, and the table of addresses of allowed names. Pure. */
#pragma once

#include "lib/learn.h"

#define ALLOW_NO_PORT 0 /* of a packet that has none, or that cannot show it */

/* No service names port 0, so that what has no port passes only where every port does. */
addr_inline int allow_serves(const struct eg_allow *a, __u32 proto, __u32 port)
{
	if (a->n == 0)
		return 1;
	for (__u32 i = 0; i < EG_SERVICES_MAX; i++)
		if (i < a->n && a->service[i].port == port && a->service[i].proto == proto)
			return port != ALLOW_NO_PORT;
	return 0;
}

addr_inline int allow_is_fresh(const struct eg_allowed_entry *e, __u64 now_ns)
{
	return e->time_ns && now_ns - e->time_ns < EG_ALLOWED_KEEP_NS;
}

addr_inline struct eg_allowed_entry *allow_find(struct eg_allowed *t, const struct eg_addr *a,
						__u64 netns, __u64 rule)
{
	struct eg_allowed_entry *set = t->entry[learn_set(a) & (EG_LEARNED_SETS - 1)];

	for (int i = 0; i < EG_LEARNED_WAYS; i++)
		if (set[i].rule == rule && set[i].netns == netns && learn_same(&set[i].addr, a))
			return &set[i];
	return 0;
}

/* In its own place, or in that of the oldest of its set. Races as in learn_put(). */
addr_inline void allow_put(struct eg_allowed *t, const struct eg_addr *a, __u64 netns, __u64 rule,
			   __u64 now_ns)
{
	struct eg_allowed_entry *set = t->entry[learn_set(a) & (EG_LEARNED_SETS - 1)];
	struct eg_allowed_entry *to = allow_find(t, a, netns, rule);

	if (!to) {
		to = &set[0];
		for (int i = 1; i < EG_LEARNED_WAYS; i++)
			if (set[i].time_ns < to->time_ns)
				to = &set[i];
		*(volatile __u64 *)&to->time_ns = 0;
		to->addr = *a;
		to->netns = netns;
		to->rule = rule;
	}
	*(volatile __u64 *)&to->time_ns = now_ns;
}
