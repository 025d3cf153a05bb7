/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The decision that connect4/6 and sendmsg4/6 share, on a destination in 128-bit form. What is not
 * governed costs one trie lookup (and, at connect, dropping a record of a former connect).
 */
#pragma once

#include "lib/addr.h"
#include "lib/config.h"
#include "lib/governed.h"
#include "lib/identity.h"
#include "lib/verdict.h"

#define TCP_LISTEN_STATE 10

/* Learned addresses count for the socket's cgroup and for the caller's. */
static __always_inline void decide_lookup(struct bpf_sock_addr *ctx, const struct eg_addr *dst,
					  struct governed *ret)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);

	governed_lookup(dst, ret);
	governed_lookup_learned(kern->sk->sk_cgrp_data.cgroup, dst, ret);
	governed_lookup_learned(bpf_get_current_task_btf()->cgroups->dfl_cgrp, dst, ret);
}

/* Would the listener that this namespace has on our port be one that the monitor stamped? */
static __always_inline int decide_listener_ok(struct bpf_sock_addr *ctx, int v4)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	int ok;

	if (v4) {
		t.ipv4.saddr = bpf_htonl(0x7f000001);
		t.ipv4.daddr = bpf_htonl(0x7f000001);
		t.ipv4.dport = bpf_htons(EG_PROXY_PORT);
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		t.ipv6.saddr[3] = bpf_htonl(1);
		t.ipv6.daddr[3] = bpf_htonl(1);
		t.ipv6.dport = bpf_htons(EG_PROXY_PORT);
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	ok = sk->state == TCP_LISTEN_STATE && bpf_sk_storage_get(&eg_stamp, sk, 0, 0);
	bpf_sk_release(sk);
	return ok;
}

struct wanted {
	struct eg_addr asked; /* as the caller spelt it */
	__u16 port;	      /* host order */
	__u8 family;	      /* of the hook */
	__u8 to_v4;	      /* the redirect goes to 127.0.0.1, not ::1 */
	enum eg_hook hook;
};

/* Why a governed destination cannot be redirected; `allowed`: it can. */
static __always_inline enum eg_reason decide_connect(struct bpf_sock_addr *ctx,
						     struct bpf_sock *sk,
						     const struct wanted *r,
						     const struct eg_flow *f)
{
	int zero = 0;

	if (f->flags & EG_FLOW_KTHREAD)
		return EG_REASON_k_kthread;
	if (ctx->protocol == IPPROTO_UDP)
		return EG_REASON_k_udp;
	if (ctx->protocol != IPPROTO_TCP || ctx->type != SOCK_STREAM)
		return EG_REASON_k_protocol;
	if (!config_is_redirected(r->port))
		return EG_REASON_k_port;
	if (!decide_listener_ok(ctx, r->to_v4))
		return EG_REASON_k_no_listener;
	/* Loopback cannot be reached through a device; undoing the bind needs the caller's rights. */
	if (sk->bound_dev_if &&
	    bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTOIFINDEX, &zero, sizeof(zero)))
		return EG_REASON_k_bound_device;
	return EG_REASON_allowed;
}

static __always_inline int decide_refuse(struct bpf_sock_addr *ctx, const struct wanted *r,
					 enum eg_reason reason, const struct eg_flow *f, int quiet)
{
	if (!quiet)
		count_event(bpf_get_current_task_btf()->cgroups->dfl_cgrp, r->hook, reason, f);
	return verdict_refuse(r->hook, reason);
}

/* Record first: the caller rewrites only after VERDICT_REDIRECT. */
static __always_inline int decide(struct bpf_sock_addr *ctx, const struct wanted *r, int connect)
{
	struct client c = { .asked = r->asked };
	struct eg_addr dst = r->asked;
	struct bpf_sock *sk = ctx->sk; /* once: two loads are unrelated pointers to the verifier */
	struct governed g;
	enum eg_reason reason;

	if (!sk)
		return verdict_refuse(r->hook, EG_REASON_no_flow);
	if (config_unembed(&dst))
		c.flow.flags |= EG_FLOW_EMBEDDED;
	else if (r->family == AF_INET6 && addr_is_mapped(&dst))
		c.flow.flags |= EG_FLOW_MAPPED;
	if (connect) /* a record belongs to one connect(), not to one socket */
		bpf_sk_storage_delete(&eg_cflow, sk);
	decide_lookup(ctx, &dst, &g);
	if (!g.provider && !(connect && r->port == EG_PROXY_PORT && addr_is_local(&dst)))
		return verdict_allow();
	if (bpf_sk_storage_get(&eg_stamp, sk, 0, 0))
		return verdict_allow();

	c.flow.dst = dst;
	c.flow.dport = r->port;
	c.flow.family = r->family;
	identity_task(&c.flow);
	identity_socket(ctx, &c.flow);
	if (!g.provider) {
		if (ctx->protocol == IPPROTO_UDP) /* our listener is TCP */
			return verdict_allow();
		return decide_refuse(ctx, r, EG_REASON_k_proxy_port, &c.flow, 0);
	}
	c.flow.provider = g.provider;
	if (g.learned)
		c.flow.flags |= EG_FLOW_LEARNED;
	reason = connect ? decide_connect(ctx, sk, r, &c.flow) : EG_REASON_k_udp;
	if (reason == EG_REASON_allowed &&
	    !bpf_sk_storage_get(&eg_cflow, sk, &c, BPF_SK_STORAGE_GET_F_CREATE))
		reason = EG_REASON_k_storage;
	/* getaddrinfo() connects UDP sockets only to sort addresses: counted, not worth an event. */
	if (reason != EG_REASON_allowed)
		return decide_refuse(ctx, r, reason, &c.flow, connect && reason == EG_REASON_k_udp);
	count_reason(r->hook, EG_REASON_allowed);
	return VERDICT_REDIRECT;
}
