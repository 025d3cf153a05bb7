/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What modes say of a packet that goes to no governed address: the second line behind connect and
 * sendmsg, for sockets and protocols that those do not see. Only the socket's cgroup is known here.
 */
#pragma once

#include "lib/packet.h"
#include "lib/permit.h"
#include "lib/skb.h"

/* The kernel's own sockets that answer for it: neighbour discovery, ICMP, resets. They are made
 * with a network namespace, in the cgroup of whoever made that. Not every kernel socket: some carry
 * what processes hand to them. */
static __always_inline int gate_is_control(const struct sock *sk)
{
	return sk->sk_type == SOCK_RAW && sk->sk_kern_sock;
}

/* Made by the peer: the list is about what a workload reaches out to. */
static __always_inline int gate_is_open(struct bpf_sock *sk, const struct permit *p)
{
	struct eg_open *o = bpf_sk_storage_get(&eg_open, sk, 0, 0);

	if (!o)
		return 0;
	return o->passive || (o->rule && learn_same(&o->dst, &p->dst) && permit_rule(o->rule, p));
}

static __always_inline int gate_permits(struct __sk_buff *skb, struct sock *ksk,
					const struct packet *packet, struct permit *p)
{
	struct bpf_sock *sk = skb->sk;

	p->netns = ksk->__sk_common.skc_net.net->net_cookie;
	p->now_ns = bpf_ktime_get_ns();
	if (permit_address(p) || permit_learned(ksk->sk_cgrp_data.cgroup, p))
		return 1;
	if (sk)
		sk = bpf_sk_fullsock(sk);
	return sk && gate_is_open(sk, p);
}

/* A reason. Global, so that the verifier walks it once. */
__noinline int gate_modes(struct __sk_buff *skb, const struct packet *packet)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct permit p = {};
	struct sock *ksk = kern->sk;
	struct eg_mode m;

	if (!ksk || !packet)
		return EG_REASON_allowed;
	p.dst = packet->dst;
	p.proto = packet->proto;
	mode_of(ksk->sk_cgrp_data.cgroup, &m);
	if (m.egress == EG_EGRESS_ALLOW && m.capture == EG_CAPTURE_NAMES)
		return EG_REASON_allowed;
	p.port = packet_port(skb_load, skb, packet);
	if (m.capture != EG_CAPTURE_NAMES && p.proto == IPPROTO_UDP && config_is_redirected(p.port))
		return EG_REASON_k_quic;
	if (m.egress == EG_EGRESS_ALLOW || gate_is_control(ksk) ||
	    (ksk->sk_type == SOCK_STREAM && ksk->__sk_common.skc_state == TCP_LISTEN_STATE))
		return EG_REASON_allowed;
	p.list = m.list;
	return gate_permits(skb, ksk, packet, &p) ? EG_REASON_allowed : EG_REASON_k_egress_denied;
}
