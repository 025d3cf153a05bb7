/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters by hook and reason, and events limited by cgroup and reason. Nothing here decides. */
#pragma once

#include "lib/asked.h"
#include "lib/maps.h"

#define COUNT_EVENTS_PER_S 8 /* of one reason, from one cgroup */

static __always_inline void count_key(__u32 key)
{
	__u64 *n = bpf_map_lookup_elem(&eg_count, &key);

	if (n)
		(*n)++;
}

static __always_inline void count_reason(enum eg_hook hook, enum eg_reason reason)
{
	count_key(EG_COUNT_KEY(hook, reason));
}

/* Two CPUs may race for a slot: an event more or less, nothing else. */
static __always_inline int count_may_report(struct cgroup *cgroup, __u32 slot)
{
	__u64 i = slot;
	__u64 now = bpf_ktime_get_ns();
	struct limit *l;

	if (i >= LIMIT_SLOTS)
		return 0;
	l = bpf_cgrp_storage_get(&eg_limit, cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!l)
		return 0;
	/* Nothing changes: the verifier follows this register, and clang may have checked a copy.
	 */
	asm volatile("%0 &= %1" : "+r"(i) : "i"(LIMIT_SLOTS - 1));
	if (now - l->slot[i].since_ns > 1000000000ull) {
		l->slot[i].since_ns = now;
		l->slot[i].n = 0;
	}
	return l->slot[i].n++ < COUNT_EVENTS_PER_S;
}

/* An event to be filled and submitted; NULL: there is no room, which is counted. */
static __always_inline struct eg_event *count_reserve(enum eg_hook hook, enum eg_reason reason)
{
	struct eg_event *e = bpf_ringbuf_reserve(&eg_events, sizeof(*e), 0);

	if (!e) {
		count_key(EG_COUNT_EVENTS_LOST);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->hook = hook;
	e->reason = reason;
	return e;
}

static __always_inline void count_submit(enum eg_hook hook, enum eg_reason reason,
					 const struct eg_flow *flow)
{
	struct eg_event *e = count_reserve(hook, reason);

	if (!e)
		return;
	__builtin_memcpy(&e->flow, flow, sizeof(e->flow));
	bpf_ringbuf_submit(e, 0);
}

/* NULL as above, or when its cgroup sent too many of this reason. */
static __always_inline struct eg_event *count_begin(struct cgroup *cgroup, enum eg_hook hook,
						    enum eg_reason reason)
{
	if (count_may_report(cgroup, reason - LIMIT_FIRST))
		return count_reserve(hook, reason);
	count_key(EG_COUNT_EVENTS_LIMITED);
	return 0;
}

/* Global, so that the verifier walks it once. */
__noinline __u32 count_asked(struct eg_asked *t, const struct eg_addr *dst)
{
	return t && dst ? asked_find(t, dst) : 0;
}

/* By which name it was asked for, if DNS told this cgroup. */
static __always_inline void count_name(struct cgroup *cgroup, struct eg_event *e,
				       const struct eg_addr *dst)
{
	struct eg_asked *t = bpf_cgrp_storage_get(&eg_asked, cgroup, 0, 0);
	__u64 i = t ? count_asked(t, dst) : 0;

	if (!t || !i)
		return;
	i = NAME_INDEX(i - 1, EG_ASKED);
	__builtin_memcpy(e->name, t->entry[i].name, sizeof(e->name));
}

/* One event, unless its cgroup sent too many of this reason. */
static __always_inline void count_event(struct cgroup *cgroup, enum eg_hook hook,
					enum eg_reason reason, const struct eg_flow *flow)
{
	struct eg_event *e = count_begin(cgroup, hook, reason);

	if (!e)
		return;
	__builtin_memcpy(&e->flow, flow, sizeof(e->flow));
	if (reason == EG_REASON_k_egress_denied)
		count_name(cgroup, e, &flow->dst);
	bpf_ringbuf_submit(e, 0);
}

/* The same for a packet that came through a device: whose cgroup's it is, nobody knows there. */
static __always_inline void count_event_of(struct eg_veth *v, enum eg_hook hook,
					   enum eg_reason reason, const struct eg_flow *flow)
{
	__u64 now = bpf_ktime_get_ns();

	if (now - v->since_ns > 1000000000ull) {
		v->since_ns = now;
		v->events = 0;
	}
	if (v->events++ < COUNT_EVENTS_PER_S)
		count_submit(hook, reason, flow);
	else
		count_key(EG_COUNT_EVENTS_LIMITED);
}
