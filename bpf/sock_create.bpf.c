/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * socket(): refuses what the other hooks cannot see well: raw sockets, MPTCP (a kernel thread dials
 * its subflows), SCTP, DCCP, UDP-Lite (its connect is not hooked). Applications fall back to TCP.
 * Says when a network namespace without a listener comes to life: the first socket there is usually
 * the resolver's, so that the listener is there before the connection.
 */
#include "lib/kernel.h"
#include "lib/config.h"
#include "lib/identity.h"
#include "lib/verdict.h"

static __always_inline void announce(struct bpf_sock *ctx, __u32 family)
{
	struct cgroup *cgroup = bpf_get_current_task_btf()->cgroups->dfl_cgrp;
	struct eg_flow f = { .family = family };

	f.netns = bpf_get_netns_cookie(ctx);
	if (bpf_map_lookup_elem(&eg_netns, &f.netns) || !count_may_report(cgroup, LIMIT_NETNS))
		return;
	identity_task(&f);
	count_submit(EG_HOOK_SOCK_CREATE, EG_REASON_allowed, &f);
}

static __always_inline int is_plain(__u32 type, __u32 protocol)
{
	if (type == SOCK_STREAM)
		return protocol == IPPROTO_TCP;
	return type == SOCK_DGRAM &&
	       (protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6);
}

SEC("cgroup/sock_create")
int eg_sock_create(struct bpf_sock *ctx)
{
	__u32 family = ctx->family, type = ctx->type, protocol = ctx->protocol;

	barrier_var(
		protocol); /* keeps the load here: moved into branches, the verifier refuses it */
	if (family != AF_INET && family != AF_INET6)
		return verdict_allow();
	announce(ctx, family);
	if (is_plain(type, protocol) || (eg_allow_raw && protocol != IPPROTO_MPTCP_NUM))
		return verdict_allow();
	return verdict_refuse(EG_HOOK_SOCK_CREATE, EG_REASON_k_protocol);
}
