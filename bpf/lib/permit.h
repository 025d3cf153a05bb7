/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a cgroup with egress `deny` may reach all the same: its resolvers, addresses on its list,
 * and addresses that names on its list had in answers to it.
 */
#pragma once

#include "lib/allow.h"
#include "lib/config.h"
#include "lib/mode.h"

#define PERMIT_DNS_PORT 53

struct permit {
	struct eg_addr dst;
	__u64 netns;
	__u64 now_ns;
	__u32 list;
	__u32 port; /* host order; ALLOW_NO_PORT */
	__u32 proto;
	__u32 pad;
};

enum permit_result { PERMIT_NO, PERMIT_YES, PERMIT_BY_NAME };

/* Global, as permit_in_table(): the verifier walks each once, not wherever it is called. */
__noinline int permit_serves(const struct eg_allow *a, __u32 list, __u32 proto, __u32 port)
{
	return a && a->list == list && allow_serves(a, proto, port);
}

static __always_inline int permit_rule(__u64 rule, const struct permit *p)
{
	struct eg_allow *a = bpf_map_lookup_elem(&eg_allow_rule, &rule);

	return a && permit_serves(a, p->list, p->proto, p->port);
}

/* The rule by which a name's address is allowed; 0: none. */
__noinline __u64 permit_in_table(struct eg_allowed *t, const struct permit *p)
{
	struct eg_allowed_entry *set;

	if (!t || !p)
		return 0;
	set = t->entry[learn_set(&p->dst) & (EG_LEARNED_SETS - 1)];
	for (int i = 0; i < EG_LEARNED_WAYS; i++) {
		__u64 rule = set[i].rule;

		if (learn_same(&set[i].addr, &p->dst) && set[i].netns == p->netns &&
		    allow_is_fresh(&set[i], p->now_ns) && permit_rule(rule, p))
			return rule;
	}
	return 0;
}

static __always_inline __u64 permit_learned(struct cgroup *cgroup, const struct permit *p)
{
	struct eg_allowed *t = bpf_cgrp_storage_get(&eg_allowed, cgroup, 0, 0);

	return t ? permit_in_table(t, p) : 0;
}

static __always_inline int permit_resolver(const struct eg_addr *addr, __u64 netns)
{
	__u64 *where = bpf_map_lookup_elem(&eg_resolver, addr);

	return where && (!*where || *where == netns);
}

static __always_inline int permit_address(const struct permit *p)
{
	struct eg_allow_key key = { .prefix_len = 160, .list = p->list, .addr = p->dst };
	struct eg_allow *a;

	if (p->port == PERMIT_DNS_PORT && (p->proto == IPPROTO_UDP || p->proto == IPPROTO_TCP) &&
	    permit_resolver(&p->dst, p->netns))
		return 1;
	a = bpf_map_lookup_elem(&eg_allow, &key);
	return a && permit_serves(a, p->list, p->proto, p->port);
}
