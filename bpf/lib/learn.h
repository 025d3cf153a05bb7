/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The table of learned addresses of one cgroup: look-up and replacement. Pure. */
#pragma once

#include "lib/addr.h"

addr_inline __u32 learn_set(const struct eg_addr *a)
{
	__u32 h = a->a[0] ^ a->a[1] ^ a->a[2] ^ a->a[3];

	h *= 0x9e3779b1u; /* the high bits of a product depend on all bits of a factor */
	return h >> 27;
}
_Static_assert(EG_LEARNED_SETS == 1 << 5, "learn_set() gives 5 bits");

addr_inline int learn_same(const struct eg_addr *a, const struct eg_addr *b)
{
	return a->a[0] == b->a[0] && a->a[1] == b->a[1] && a->a[2] == b->a[2] && a->a[3] == b->a[3];
}

addr_inline int learn_is_own(const struct eg_own_dns *o, const struct eg_addr *a)
{
	for (__u32 i = 0; i < EG_OWN_DNS_MAX; i++)
		if (i < o->n && learn_same(&o->addr[i], a))
			return 1;
	return 0;
}

addr_inline struct eg_learned_entry *learn_find(struct eg_learned *t, const struct eg_addr *a)
{
	struct eg_learned_entry *set = t->entry[learn_set(a) & (EG_LEARNED_SETS - 1)];

	for (int i = 0; i < EG_LEARNED_WAYS; i++)
		if (set[i].time_ns && learn_same(&set[i].addr, a))
			return &set[i];
	return 0;
}

/*
 * Two CPUs may write one entry at once: the address could then be that of one answer and the
 * provider that of the other, both learned. Readers see a free entry (time 0) while the rest is
 * written.
 */
addr_inline void learn_put(struct eg_learned *t, const struct eg_addr *a, __u32 provider,
			   __u32 source, __u64 now_ns)
{
	struct eg_learned_entry *set = t->entry[learn_set(a) & (EG_LEARNED_SETS - 1)];
	struct eg_learned_entry *to = learn_find(t, a);

	if (!to) {
		to = &set[0];
		for (int i = 1; i < EG_LEARNED_WAYS; i++)
			if (set[i].time_ns < to->time_ns)
				to = &set[i];
		*(volatile __u64 *)&to->time_ns = 0;
		to->addr = *a;
	}
	to->provider = provider;
	to->source = source;
	*(volatile __u64 *)&to->time_ns = now_ns;
}
