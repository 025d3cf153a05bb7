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
#include "lib/permit.h"
#include "lib/verdict.h"

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
	__u16 port; /* host order */
	__u8 family; /* of the hook */
	__u8 to_v4; /* the redirect goes to 127.0.0.1, not ::1 */
	enum eg_hook hook;
};

/* What policy's modes say of a destination that is not governed. */
enum mode_says { MODE_PASS, MODE_CAPTURE, MODE_DENIED, MODE_QUIC, MODE_OURS, MODE_GOVERNED };

/* May a cgroup with this list reach it? A name's rule is kept on the socket: see struct eg_open.
 * Global, as decide_modes(): the verifier walks each once, not on every path that leads here. */
__noinline int decide_permit(struct bpf_sock_addr *ctx, const struct permit *p, __u32 connect)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	struct bpf_sock *sk = ctx->sk;
	struct eg_open *open;
	__u64 rule;

	if (!p) /* the verifier does not know its callers */
		return 0;
	if (permit_address(p))
		return 1;
	rule = permit_learned(kern->sk->sk_cgrp_data.cgroup, p);
	if (!rule)
		rule = permit_learned(bpf_get_current_task_btf()->cgroups->dfl_cgrp, p);
	if (!rule)
		return 0;
	if (!connect || !sk)
		return 1;
	open = bpf_sk_storage_get(&eg_open, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (open) {
		open->dst = p->dst;
		open->rule = rule;
	}
	return 1;
}

static __always_inline int decide_capture(struct bpf_sock_addr *ctx, __u32 capture, __u32 port,
					  const struct eg_addr *dst, __u32 connect)
{
	int is_tls = config_is_redirected(port);

	if (capture == EG_CAPTURE_NAMES)
		return MODE_PASS;
	if (ctx->protocol == IPPROTO_UDP)
		return is_tls ? MODE_QUIC : MODE_PASS;
	if (!connect || ctx->protocol != IPPROTO_TCP || addr_is_link_local(dst))
		return MODE_PASS;
	return is_tls || capture == EG_CAPTURE_ALL ? MODE_CAPTURE : MODE_PASS;
}

/* Of both cgroups, the caller's and the socket's. A kernel thread speaks for nobody: the socket's.
 */
__noinline int decide_modes(struct bpf_sock_addr *ctx, const struct eg_addr *dst, __u32 port,
			    __u32 connect)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	struct task_struct *task = bpf_get_current_task_btf();
	struct cgroup *caller = task->cgroups->dfl_cgrp, *creator = kern->sk->sk_cgrp_data.cgroup;
	struct permit p = { .port = port, .proto = ctx->protocol };
	struct eg_mode mine, other;

	if (!dst)
		return MODE_DENIED;
	p.dst = *dst;
	mode_of(creator, &mine);
	other = mine;
	if (caller != creator && !(task->flags & PF_KTHREAD))
		mode_of(caller, &other);
	if (mine.egress == EG_EGRESS_DENY || other.egress == EG_EGRESS_DENY) {
		p.netns = bpf_get_netns_cookie(ctx);
		p.now_ns = bpf_ktime_get_ns();
		p.list = other.list;
		if (other.egress == EG_EGRESS_DENY &&
		    (mine.egress != EG_EGRESS_DENY || mine.list != other.list) &&
		    !decide_permit(ctx, &p, connect))
			return MODE_DENIED;
		/* The socket's last: its rule is the one that the gate looks for. */
		p.list = mine.list;
		if (mine.egress == EG_EGRESS_DENY && !decide_permit(ctx, &p, connect))
			return MODE_DENIED;
	}
	return decide_capture(ctx, mine.capture > other.capture ? mine.capture : other.capture,
			      port, dst, connect);
}

/* What becomes of a destination that is not governed. Most of all ends in the first lines. */
static __always_inline enum mode_says decide_free(struct bpf_sock_addr *ctx, const struct wanted *r,
						  const struct eg_addr *dst, __u32 look,
						  int connect)
{
	int says = MODE_PASS;

	if (connect && r->port == EG_PROXY_PORT && ctx->protocol != IPPROTO_UDP &&
	    addr_is_local(dst)) /* our listener is TCP */
		return MODE_OURS;
	if (!look && !mode_any())
		return MODE_PASS;
	if (addr_is_local(dst))
		return MODE_PASS;
	if (mode_any())
		says = decide_modes(ctx, dst, r->port, connect);
	if (says == MODE_PASS && look)
		says = decide_capture(ctx, EG_CAPTURE_ALL, r->port, dst, connect);
	return says;
}

/* Why a destination cannot be redirected; `allowed`: it can. */
static __always_inline enum eg_reason decide_connect(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
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
	if (f->provider && !config_is_redirected(r->port))
		return EG_REASON_k_port;
	if (!decide_listener_ok(ctx, r->to_v4))
		return EG_REASON_k_no_listener;
	/* Loopback cannot be reached through a device; undoing the bind needs the caller's rights.
	 */
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

/* What is governed, or does not pass. Record first: the caller rewrites only after
 * VERDICT_REDIRECT.
 */
static __always_inline int decide_held(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
				       const struct wanted *r, const struct eg_addr *dst,
				       const struct governed *g, enum mode_says says, __u32 flags,
				       int connect)
{
	struct client c = { .asked = r->asked };
	enum eg_reason reason;

	c.flow.flags = flags;
	c.flow.dst = *dst;
	c.flow.dport = r->port;
	c.flow.family = r->family;
	identity_task(&c.flow);
	identity_socket(ctx, &c.flow);
	/* Nobody's own doing, and not governed: the server name is still looked at on the wire. */
	if (says == MODE_CAPTURE && c.flow.flags & EG_FLOW_KTHREAD)
		return verdict_allow();
	if (says == MODE_OURS)
		return decide_refuse(ctx, r, EG_REASON_k_proxy_port, &c.flow, 0);
	c.flow.provider = g->provider;
	if (g->learned)
		c.flow.flags |= EG_FLOW_LEARNED;
	if (says == MODE_DENIED || says == MODE_QUIC)
		reason = says == MODE_DENIED ? EG_REASON_k_egress_denied : EG_REASON_k_quic;
	else
		reason = connect ? decide_connect(ctx, sk, r, &c.flow) : EG_REASON_k_udp;
	if (reason == EG_REASON_allowed &&
	    !bpf_sk_storage_get(&eg_cflow, sk, &c, BPF_SK_STORAGE_GET_F_CREATE))
		reason = EG_REASON_k_storage;
	/* getaddrinfo() connects UDP sockets only to sort addresses: counted, not worth an event.
	 */
	if (reason != EG_REASON_allowed)
		return decide_refuse(ctx, r, reason, &c.flow,
				     connect && ctx->protocol == IPPROTO_UDP);
	count_reason(r->hook, EG_REASON_allowed);
	return VERDICT_REDIRECT;
}

static __always_inline int decide(struct bpf_sock_addr *ctx, const struct wanted *r, int connect)
{
	struct eg_addr dst = r->asked;
	struct bpf_sock *sk = ctx->sk; /* once: two loads are unrelated pointers to the verifier */
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	enum mode_says says = MODE_GOVERNED;
	struct governed g;
	__u32 flags = 0;

	if (!sk)
		return verdict_refuse(r->hook, EG_REASON_no_flow);
	if (config_unembed(&dst))
		flags = EG_FLOW_EMBEDDED;
	else if (r->family == AF_INET6 && addr_is_mapped(&dst))
		flags = EG_FLOW_MAPPED;
	/* All of these belong to one connect(), and a socket can have several (AF_UNSPEC in
	 * between). Most carry nothing. */
	if (connect && kern->sk->sk_bpf_storage) {
		bpf_sk_storage_delete(&eg_cflow, sk);
		bpf_sk_storage_delete(&eg_trip, sk);
		bpf_sk_storage_delete(&eg_open, sk);
	}
	decide_lookup(ctx, &dst, &g);
	if (!g.provider) {
		says = decide_free(ctx, r, &dst, g.look, connect);
		if (says == MODE_PASS)
			return verdict_allow();
	}
	if (bpf_sk_storage_get(&eg_stamp, sk, 0, 0))
		return verdict_allow();
	/* To be governed must not open what is denied: other names may live there. */
	if (g.provider && connect && mode_any() && !addr_is_local(&dst) &&
	    decide_modes(ctx, &dst, r->port, 0) == MODE_DENIED)
		flags |= EG_FLOW_DENIED;
	return decide_held(ctx, sk, r, &dst, &g, says, flags, connect);
}
