/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hands the record from the client's socket to the accepted one, inside the handshake:
 * TCP_CONNECT (source port known, SYN not sent) puts it under the four-tuple, PASSIVE_ESTABLISHED
 * takes it, if the initial sequence number proves that it is the same connection and not a later
 * one on the same ports. accept() cannot return the child before that has run.
 */
#include "lib/kernel.h"
#include "lib/addr.h"
#include "lib/mode.h"
#include "lib/verdict.h"

#define TCP_CLOSE_STATE 7

/* clang 14 merges loads of two context fields of an if/else into one through a computed pointer,
 * which the verifier refuses; assembly keeps each load as it stands. */
#define LOAD(ctx, field)                                                                           \
	({                                                                                         \
		__u64 _v;                                                                          \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(_v)                                                            \
			     : "r"(ctx), "i"(__builtin_offsetof(struct bpf_sock_ops, field)));     \
		(__u32) _v;                                                                        \
	})

static __always_inline void addresses(struct bpf_sock_ops *o, struct eg_addr *local,
				      struct eg_addr *remote)
{
	if (o->family == AF_INET6) {
		local->a[0] = LOAD(o, local_ip6[0]);
		local->a[1] = LOAD(o, local_ip6[1]);
		local->a[2] = LOAD(o, local_ip6[2]);
		local->a[3] = LOAD(o, local_ip6[3]);
		remote->a[0] = LOAD(o, remote_ip6[0]);
		remote->a[1] = LOAD(o, remote_ip6[1]);
		remote->a[2] = LOAD(o, remote_ip6[2]);
		remote->a[3] = LOAD(o, remote_ip6[3]);
	} else {
		addr_map4(local, LOAD(o, local_ip4));
		addr_map4(remote, LOAD(o, remote_ip4));
	}
}

static __always_inline void client_tuple(struct bpf_sock_ops *o, __u64 netns, struct eg_tuple *k)
{
	k->netns = netns;
	addresses(o, &k->laddr, &k->raddr);
	k->lport = o->local_port;
	k->rport = bpf_ntohl(o->remote_port);
}

static __always_inline void listener_tuple(struct bpf_sock_ops *o, __u64 netns, struct eg_tuple *k)
{
	k->netns = netns;
	addresses(o, &k->raddr, &k->laddr);
	k->rport = o->local_port;
	k->lport = bpf_ntohl(o->remote_port);
}

/* The client's side. What fails here leaves the accepted socket without a record: it is closed. */
static __always_inline void on_connect(struct bpf_sock_ops *o, struct bpf_sock *sk)
{
	struct client *c = bpf_sk_storage_get(&eg_cflow, sk, 0, 0);
	struct eg_tuple k = {};
	struct tcp_sock *tcp;

	if (!c)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp) {
		count_reason(EG_HOOK_SOCKOPS, EG_REASON_no_flow);
		return;
	}
	client_tuple(o, c->flow.netns, &k);
	c->flow.isn = tcp->write_seq; /* snd_nxt is set only after this callback */
	if (bpf_map_update_elem(&eg_tuple, &k, &c->flow, BPF_ANY) ||
	    bpf_sock_ops_cb_flags_set(o, o->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG))
		count_reason(EG_HOOK_SOCKOPS, EG_REASON_k_storage);
}

static __always_inline void on_accept(struct bpf_sock_ops *o, struct bpf_sock *sk)
{
	struct eg_tuple k = {};
	struct eg_flow *f;

	if (!bpf_sk_storage_get(&eg_stamp, sk, 0, 0))
		return; /* not a child of our listener */
	listener_tuple(o, bpf_get_netns_cookie(o), &k);
	f = bpf_map_lookup_elem(&eg_tuple, &k);
	if (!f || f->isn + 1 != o->rcv_nxt) {
		count_reason(EG_HOOK_SOCKOPS, EG_REASON_no_flow);
		return;
	}
	if (!bpf_sk_storage_get(&eg_aflow, sk, f, BPF_SK_STORAGE_GET_F_CREATE)) {
		count_reason(EG_HOOK_SOCKOPS, EG_REASON_k_storage);
		return;
	}
	bpf_map_delete_elem(&eg_tuple, &k);
	count_reason(EG_HOOK_SOCKOPS, EG_REASON_allowed);
}

/* A peer's connection to a workload that may not reach out: its answers pass the gate. */
static __always_inline void on_passive(struct bpf_sock_ops *o, struct bpf_sock *sk)
{
	struct bpf_sock_ops_kern *kern = bpf_cast_to_kern_ctx(o);
	struct eg_open open = { .passive = 1 };
	struct eg_mode m;

	if (!mode_any())
		return;
	mode_of(kern->sk->sk_cgrp_data.cgroup, &m);
	if (m.egress == EG_EGRESS_DENY &&
	    !bpf_sk_storage_get(&eg_open, sk, &open, BPF_SK_STORAGE_GET_F_CREATE))
		count_reason(EG_HOOK_SOCKOPS, EG_REASON_k_storage);
}

/* Refused or given up before it was accepted: its entry goes, unless the ports are already reused.
 */
static __always_inline void on_close(struct bpf_sock_ops *o, struct bpf_sock *sk)
{
	struct client *c = bpf_sk_storage_get(&eg_cflow, sk, 0, 0);
	struct eg_tuple k = {};
	struct eg_flow *f;

	if (!c)
		return;
	client_tuple(o, c->flow.netns, &k);
	f = bpf_map_lookup_elem(&eg_tuple, &k);
	if (f && f->cookie == c->flow.cookie)
		bpf_map_delete_elem(&eg_tuple, &k);
}

SEC("sockops")
int eg_sockops(struct bpf_sock_ops *o)
{
	struct bpf_sock *sk = o->sk; /* once: two loads are unrelated pointers to the verifier */

	if (!sk)
		return verdict_allow();
	switch (o->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_connect(o, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (o->local_port == EG_PROXY_PORT)
			on_accept(o, sk);
		on_passive(o, sk);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (o->args[1] == TCP_CLOSE_STATE)
			on_close(o, sk);
		break;
	}
	return verdict_allow();
}
