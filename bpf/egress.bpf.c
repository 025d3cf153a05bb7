/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The gate: whatever the socket calls did, no packet of an enforced cgroup leaves for a governed
 * address unless egret's own socket sends it. The only hook that sees UDP-Lite, raw sockets, DNAT
 * and sockets older than enforcement. Decides on the IP destination alone: ports are the sender's.
 * What is not governed is then for the modes of the socket's cgroup (lib/gate.h), and what those
 * let pass for the tripwire (lib/trip.h).
 */
#include "lib/kernel.h"
#include "lib/config.h"
#include "lib/gate.h"
#include "lib/governed.h"
#include "lib/packet.h"
#include "lib/skb.h"
#include "lib/trip.h"
#include "lib/verdict.h"

/*
 * Segments without payload that carry nothing of a workload's: the reset of a connection we
 * destroyed, so that the peer learns of it; and what the kernel's own control sockets answer for
 * connections in TIME_WAIT. A raw socket of a process is neither.
 */
static __always_inline int is_kernel_reply(struct __sk_buff *skb, const struct packet *p)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *sk = kern->sk;
	int flags = packet_bare_tcp(skb_load, skb, p);

	if (flags < 0 || flags & TCP_PACKET_SYN || !sk)
		return 0;
	if (sk->sk_type == SOCK_STREAM)
		return flags & TCP_PACKET_RST;
	return sk->sk_type == SOCK_RAW && sk->sk_kern_sock;
}

/* A frame of its own: together with that of the caller's other calls it would be too large. */
static __noinline void report(struct __sk_buff *skb, enum eg_reason reason, const struct packet *p,
			      __u32 provider)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;
	struct eg_flow f = {
		.dst = p->dst,
		.proto = p->proto,
		.provider = provider,
		.time_ns = bpf_ktime_get_ns(),
	};

	/* Softirq may send for another task: only the socket says whose packet this is. */
	if (!ksk)
		return;
	f.dport = packet_port(skb_load, skb, p);
	f.family = ksk->__sk_common.skc_family;
	f.uid = ksk->sk_uid.val;
	f.sk_cgroup = bpf_skb_cgroup_id(skb);
	f.cgroup = f.sk_cgroup;
	f.cookie = bpf_get_socket_cookie(skb);
	count_event(ksk->sk_cgrp_data.cgroup, EG_HOOK_EGRESS, reason, &f);
}

/* enum eg_stamp_value, or 0. Most sockets have no storage of anybody's: no call for those. */
static __always_inline __u64 stamp_of(struct bpf_sock *sk, const struct sock *ksk)
{
	__u64 *stamp;

	if (!sk || !ksk || !ksk->sk_bpf_storage)
		return 0;
	sk = bpf_sk_fullsock(sk);
	stamp = sk ? bpf_sk_storage_get(&eg_stamp, sk, 0, 0) : 0;
	return stamp ? *stamp : 0;
}

/* Where its socket is connected to: nobody has translated the address on the way here. */
static __always_inline int is_as_connected(struct sock *ksk, const struct packet *p)
{
	struct eg_addr local = {}, peer = {};

	trip_peer(ksk, &local, &peer);
	config_unembed(&peer);
	return learn_same(&peer, &p->dst);
}

SEC("cgroup_skb/egress")
int eg_egress(struct __sk_buff *skb)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;
	struct bpf_sock *sk = skb->sk;
	struct packet p = {};
	enum eg_reason reason = EG_REASON_k_packet;
	struct governed g;
	enum packet_kind kind;
	__u64 stamp = stamp_of(sk, ksk);

	/* First, because egret's own packets are the most: both sides of every exchange. */
	if (stamp == EG_STAMP_OWN)
		return verdict_allow_counted(EG_HOOK_EGRESS);
	kind = packet_parse(skb_load, skb, &p);
	config_unembed(&p.dst);
	if (stamp && ksk && kind == PACKET_PLAIN && is_as_connected(ksk, &p))
		return verdict_allow_counted(EG_HOOK_EGRESS);
	if (kind == PACKET_PLAIN && addr_is_local(&p.dst))
		return verdict_allow();
	governed_lookup(&p.dst, &g);
	if (ksk)
		governed_lookup_learned(ksk->sk_cgrp_data.cgroup, &p.dst, &g);
	if (!g.provider && kind == PACKET_PLAIN) {
		reason = mode_any() ? gate_modes(skb, &p) : EG_REASON_allowed;
		/* Its name was looked for, so it is captured: see lib/trip.h. The hooks of sendmsg
		 * do not see a socket that was connected before. */
		if (g.look && p.proto == IPPROTO_UDP &&
		    config_is_redirected(packet_port(skb_load, skb, &p)))
			reason = EG_REASON_k_quic;
		if (reason == EG_REASON_allowed)
			return !trip_is_watched(skb, &p) || trip(skb, &p) ? verdict_allow()
									  : verdict_hold();
	}
	if (kind == PACKET_PLAIN && is_kernel_reply(skb, &p))
		return verdict_allow();
	if (sk && bpf_sk_fullsock(sk))
		report(skb, reason, &p, g.provider);
	return verdict_drop(EG_HOOK_EGRESS, reason);
}
