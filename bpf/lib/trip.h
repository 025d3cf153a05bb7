/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The tripwire: TCP to an address that nobody knows. The first payload is held
 * (dropped; TCP keeps it and sends it again with what was written since) until it is a whole
 * ClientHello, and passes unless that names a governed server. Then nothing of it leaves: the
 * address is learned as one to be looked at, in the cgroup of the socket, and the monitor ends the
 * connection, so that the client tries again and is redirected. A hello that never shows itself in
 * one packet (several records, more than the five segments that TCP sends first, a client that
 * stops) goes the same way: egret reads it from the stream.
 *
 * What is learned decides nothing: EG_PROVIDER_LOOK only redirects, and there the name counts.
 *
 * First bytes that are no TLS pass at once, and are followed until the server speaks, in case they
 * are ones that it skips (lib/chain.h). Connections older than enforcement, whose first bytes we
 * never saw, pass.
 *
 * At the redirected ports whatever cannot be read is held. At others, where a workload may speak
 * anything, only connections that it made itself count, where the peer has not spoken first (no
 * server of TLS does; and a server that answers a byte, as PostgreSQL does, then TLS, looks like a
 * client); and they are read even in pages that may still change (Go and haproxy splice(2) what
 * they forward).
 */
#pragma once

#include <bpf/bpf_core_read.h>

#include "lib/config.h"
#include "lib/learn.h"
#include "lib/packet.h"
#include "lib/skb.h"
#include "lib/verdict.h"

/* Retransmissions without a byte more, each after twice the time: about 10 s. */
#define TRIP_STALLS_MAX 5

/* FOLLOWING: it began with no hello, and its server has not spoken (lib/chain.h). */
enum trip_phase { TRIP_LOOKING, TRIP_PASSED, TRIP_TRIPPED, TRIP_FOLLOWING };

struct trip_walk {
	struct __sk_buff *skb;
	struct sni *sni;
};

static long trip_extension(__u32 i, struct trip_walk *k)
{
	return sni_extension_round(skb_load, k->skb, k->sni);
}

static long trip_name_byte(__u32 i, struct trip_walk *k)
{
	return sni_name_round(k->sni);
}

static long trip_key_byte(__u32 i, struct trip_walk *k)
{
	return name_key_byte(&k->sni->name, i);
}

static __always_inline int trip_read_name(struct trip_walk *k)
{
	struct sni *s = k->sni;
	__u64 n = NAME_INDEX(s->name.n - 2, 256) + 1;

	if (bpf_skb_load_bytes(k->skb, s->name_at, s->name.s + 1, n))
		return SNI_ODD;
	s->name.s[NAME_INDEX(n + 1, 512)] = 0;
	bpf_loop(NAME_MAX_BYTES + 1, trip_name_byte, k, 0);
	return s->result;
}

/* Global, as others below: the verifier walks each once, not on every path that leads here. */
__noinline int trip_read(struct __sk_buff *skb, struct sni *s)
{
	struct trip_walk k = { .skb = skb, .sni = s };
	int r;

	if (!s)
		return SNI_ODD;
	r = sni_begin(skb_load, skb, s);
	if (r != SNI_NAME)
		return r;
	bpf_loop(SNI_EXTENSIONS_MAX, trip_extension, &k, 0);
	r = sni_end(s);
	return r == SNI_NAME ? trip_read_name(&k) : r;
}

/* The provider whose name was read; 0: it is not governed. */
__noinline __u32 trip_provider(struct __sk_buff *skb, struct sni *s)
{
	struct trip_walk k = { .skb = skb, .sni = s };
	struct eg_name *rule;

	if (!s)
		return 0;
	bpf_loop(NAME_MAX_BYTES, trip_key_byte, &k, 0);
	s->name.key.prefix_len = s->name.n * 8;
	rule = bpf_map_lookup_elem(&eg_name, &s->name.key);
	return rule && name_matches(&s->name, rule) ? rule->provider : 0;
}

/* Pages that others can write to while they are on their way: sendfile(), MSG_ZEROCOPY. What is
 * read here is not what arrives. */
static __always_inline int trip_is_shared(struct __sk_buff *skb)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct skb_shared_info *info = (void *)(kern->head + kern->end);
	__u8 flags;

	return bpf_core_read(&flags, sizeof(flags), &info->flags) || flags;
}

/* Has the peer acknowledged data? The SYN counts as one byte of it. */
static __always_inline int trip_is_older(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && tcp->bytes_acked > 1;
}

/* Has the client written more than this packet, which ends at `end`, brings? */
static __always_inline int trip_has_more(struct bpf_sock *sk, __u32 end)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return !tcp || (__s32)(tcp->write_seq - end) > 0;
}

static __always_inline void trip_peer(struct sock *ksk, struct eg_addr *local, struct eg_addr *peer)
{
	if (ksk->__sk_common.skc_family == AF_INET) {
		addr_map4(local, ksk->__sk_common.skc_rcv_saddr);
		addr_map4(peer, ksk->__sk_common.skc_daddr);
		return;
	}
	for (int i = 0; i < 4; i++) {
		local->a[i] = ksk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i];
		peer->a[i] = ksk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
	}
}

/* In the form that connect() will look up, whatever becomes of the packet on its way. */
static __always_inline void trip_learn(struct sock *ksk)
{
	struct eg_learned *into;
	struct eg_addr local, peer;

	trip_peer(ksk, &local, &peer);
	config_unembed(&peer);
	into = bpf_cgrp_storage_get(&eg_learned, ksk->sk_cgrp_data.cgroup, 0,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (into && !addr_is_local(&peer))
		learn_put(into, &peer, EG_PROVIDER_LOOK, EG_ENDPOINT_TRIPWIRE, bpf_ktime_get_ns());
}

/* The monitor ends what it hears of; what it does not, the next retransmission reports. */
__noinline int trip_report(struct __sk_buff *skb, struct trip *t, const struct packet *p,
			   struct sni *s)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;
	struct eg_event *e;

	if (!ksk || !t || !p || t->reported)
		return 0;
	e = count_begin(ksk->sk_cgrp_data.cgroup, EG_HOOK_EGRESS, t->reason);
	if (!e)
		return 0;
	e->flow.dst = p->dst;
	e->flow.proto = p->proto;
	e->flow.time_ns = bpf_ktime_get_ns();
	e->flow.family = ksk->__sk_common.skc_family;
	e->flow.uid = ksk->sk_uid.val;
	e->flow.sk_cgroup = bpf_skb_cgroup_id(skb);
	e->flow.cgroup = e->flow.sk_cgroup;
	e->flow.cookie = bpf_get_socket_cookie(skb);
	e->flow.netns = ksk->__sk_common.skc_net.net->net_cookie;
	trip_peer(ksk, &e->laddr, &e->raddr);
	e->lport = ksk->__sk_common.skc_num;
	e->rport = bpf_ntohs(ksk->__sk_common.skc_dport);
	e->ifindex = ksk->__sk_common.skc_bound_dev_if;
	e->flow.dport = e->rport;
	if (s && t->reason == EG_REASON_k_tripwire)
		bpf_probe_read_kernel(e->name, sizeof(e->name) - 1, s->name.s + 1);
	bpf_ringbuf_submit(e, 0);
	t->reported = 1;
	return 0;
}

static __always_inline int trip_pass(struct trip *t, __u32 count)
{
	t->phase = TRIP_PASSED;
	count_key(count);
	return verdict_allow();
}

static __always_inline int trip_trip(struct __sk_buff *skb, struct trip *t, const struct packet *p,
				     struct sni *s, enum eg_reason reason)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;

	t->phase = TRIP_TRIPPED;
	t->reason = reason;
	if (ksk)
		trip_learn(ksk);
	trip_report(skb, t, p, s);
	return verdict_drop(EG_HOOK_EGRESS, reason);
}

/* The packet's own, which need not be the one that the socket is connected to. 0: it is cut short.
 */
static __always_inline __u16 trip_port(struct __sk_buff *skb, const struct packet *p)
{
	__be16 port;
	int r = p->l4 == 20 ? skb_load(skb, 20 + 2, &port, 2) : skb_load(skb, p->l4 + 2, &port, 2);

	return r ? 0 : bpf_ntohs(port);
}

/* What a packet that trip_is_watched() holds: nothing for the tripwire when n is 0. */
struct trip_payload {
	__u32 at, n, seq;
	__u32 urgent; /* a byte of it is not part of the stream that the peer reads */
};

static __always_inline int trip_payload(struct __sk_buff *skb, const struct packet *p,
					struct trip_payload *ret)
{
	__u8 bytes[2]; /* data offset, flags */
	__be32 seq;

	if (skb_load(skb, p->l4 + 4, &seq, 4) || skb_load(skb, p->l4 + 12, bytes, 2))
		return -1;
	ret->at = p->l4 + (bytes[0] >> 4) * 4u;
	if (bytes[0] >> 4 < 5 || ret->at > skb->len)
		return -1;
	ret->n = skb->len - ret->at;
	ret->urgent = bytes[1] & TCP_PACKET_URG;
	/* Fast Open: the SYN itself takes the first number. */
	ret->seq = bpf_ntohl(seq) + !!(bytes[1] & TCP_PACKET_SYN);
	return 0;
}

/* Whether the peer has sent data; its FIN counts as a byte. */
static __always_inline int trip_has_answer(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && tcp->bytes_received > 1;
}

/* Its pages, after they were read here; at other ports they are read all the same. */
static __always_inline int trip_may_change(struct __sk_buff *skb, const struct packet *p)
{
	return config_is_redirected(trip_port(skb, p)) && trip_is_shared(skb);
}

struct trip_chain {
	struct __sk_buff *skb;
	struct trip *t;
	__u32 at, left; /* what has not been seen of the payload */
	__u32 found;
};

static long trip_chain_round(__u32 i, struct trip_chain *k)
{
	__u32 run = chain_run(&k->t->chain);
	__u8 byte;

	if (k->left == 0)
		return 1;
	if (run) {
		run = run < k->left ? run : k->left;
		chain_passed(&k->t->chain, run);
	} else {
		k->found = skb_load(k->skb, k->at, &byte, 1) || chain_byte(&k->t->chain, byte);
		run = 1;
	}
	k->at += run;
	k->left -= run;
	return k->found;
}

/* Nothing is held here; a retransmission has been seen. */
static __always_inline int trip_follow(struct __sk_buff *skb, struct bpf_sock *sk, struct trip *t,
				       const struct packet *p, const struct trip_payload *in)
{
	__u32 seen = t->next - in->seq;
	struct trip_chain k = { .skb = skb, .t = t };

	if (trip_has_answer(sk))
		return trip_pass(t, EG_COUNT_SNI_NONE);
	if ((__s32)seen < 0 || in->urgent || trip_may_change(skb, p))
		return trip_trip(skb, t, p, 0, EG_REASON_k_hello);
	if (seen >= in->n)
		return verdict_allow();
	k.at = in->at + seen;
	k.left = in->n - seen;
	bpf_loop(k.left, trip_chain_round, &k, 0);
	if (k.found)
		return trip_trip(skb, t, p, 0, EG_REASON_k_hello);
	t->next = in->seq + in->n;
	return verdict_allow();
}

/* From its first byte. */
static __always_inline void trip_begin_to_follow(struct trip *t)
{
	t->phase = TRIP_FOLLOWING;
	t->next = t->seq;
}

/* The first payload, n bytes of it at `base`. */
static __always_inline int trip_look(struct __sk_buff *skb, struct bpf_sock *sk, struct trip *t,
				     const struct packet *p, struct sni *s)
{
	int r = SNI_ODD;

	if (!trip_may_change(skb, p))
		r = trip_read(skb, s);
	if (r == SNI_OTHER) {
		trip_begin_to_follow(t);
		return verdict_allow();
	}
	if (r == SNI_NONE)
		return trip_pass(t, EG_COUNT_SNI_NONE);
	if (r == SNI_NAME) {
		if (!trip_provider(skb, s))
			return trip_pass(t, EG_COUNT_SNI_OTHER);
		return trip_trip(skb, t, p, s, EG_REASON_k_tripwire);
	}
	if (r == SNI_MORE && !trip_has_more(sk, t->seq + s->n)) {
		t->stalls = s->n == t->seen ? t->stalls + 1 : 0;
		t->seen = s->n;
		if (t->stalls < TRIP_STALLS_MAX)
			return verdict_hold();
	}
	return trip_trip(skb, t, p, s, EG_REASON_k_hello);
}

/* A segment without a byte of payload, behind a plain IPv4 header: every other one of a short
 * connection. */
static __always_inline int trip_is_bare(struct __sk_buff *skb, const struct packet *p)
{
	__u8 offset;

	if (p->v6 || p->l4 != 20 || skb_load(skb, 20 + 12, &offset, 1))
		return 0;
	return offset >> 4 >= 5 && skb->len == 20 + (offset >> 4) * 4u;
}

/* At a port that is not redirected: the beginning of what a client says, and may be a hello. The
 * peer's acknowledgement of the SYN tells clients from servers, which never sent one alone. */
static __always_inline int trip_begins(struct __sk_buff *skb, const struct packet *p,
				       const struct tcp_sock *tcp, __u32 acked)
{
	struct trip_payload in = {};

	return !trip_payload(skb, p, &in) && in.n && tcp->bytes_received <= 1 &&
	       (acked || tcp->inet_conn.icsk_inet.sk.__sk_common.skc_state == TCP_SYN_SENT_STATE) &&
	       in.seq == tcp->snd_una + !acked;
}

/* Cheap for all but the first payload of a connection: most packets end here. */
static __always_inline int trip_is_watched(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;
	struct trip *t;

	if (p->proto != IPPROTO_TCP || !sk || trip_is_bare(skb, p))
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->type != SOCK_STREAM)
		return 0;
	t = bpf_sk_storage_get(&eg_trip, sk, 0, 0);
	if (t)
		return t->phase != TRIP_PASSED;
	if (config_is_redirected(trip_port(skb, p)))
		return 1;
	tcp = bpf_skc_to_tcp_sock(sk);
	return tcp && tcp->bytes_acked <= 1 && trip_begins(skb, p, tcp, tcp->bytes_acked);
}

/* First bytes that no record of TLS begins with: most of all, so no sni is made for it. */
static __always_inline int trip_is_other(struct __sk_buff *skb, const struct packet *p,
					 const struct trip_payload *in)
{
	__u8 type;

	return !skb_load(skb, in->at, &type, 1) &&
	       (type < SNI_RECORD_FIRST || type > SNI_RECORD_LAST) && !trip_may_change(skb, p);
}

/* Its first payload: decided on, held, or from now on followed. */
static __always_inline int trip_first(struct __sk_buff *skb, struct bpf_sock *sk, struct trip *t,
				      const struct packet *p, const struct trip_payload *in)
{
	struct sni *s;

	if (trip_is_older(sk))
		return trip_pass(t, EG_COUNT_SNI_NONE);
	/* What TCP sends first when it holds the first bytes back is those bytes. */
	if (in->seq != t->seq || in->urgent)
		return trip_trip(skb, t, p, 0, EG_REASON_k_hello);
	if (trip_is_other(skb, p, in)) {
		trip_begin_to_follow(t);
		return verdict_allow();
	}
	s = bpf_sk_storage_get(&eg_sni, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		return verdict_drop(EG_HOOK_EGRESS, EG_REASON_k_storage);
	s->base = in->at;
	s->n = in->n;
	return trip_look(skb, sk, t, p, s);
}

__noinline int trip(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = skb->sk;
	struct trip_payload in = {};
	struct trip fresh = {}, *t;
	int verdict = verdict_allow();

	if (!p || !sk)
		return verdict_allow();
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return verdict_allow();
	if (trip_payload(skb, p, &in))
		return verdict_drop(EG_HOOK_EGRESS, EG_REASON_k_packet);
	if (in.n == 0)
		return verdict_allow();
	fresh.seq = in.seq;
	t = bpf_sk_storage_get(&eg_trip, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (!t)
		return verdict_drop(EG_HOOK_EGRESS, EG_REASON_k_storage);
	if (t->phase == TRIP_TRIPPED) {
		trip_report(skb, t, p, 0);
		return verdict_drop(EG_HOOK_EGRESS, t->reason);
	}
	if (t->phase == TRIP_LOOKING) {
		verdict = trip_first(skb, sk, t, p, &in);
		if (t->phase != TRIP_LOOKING)
			bpf_sk_storage_delete(&eg_sni, sk);
	}
	return t->phase == TRIP_FOLLOWING ? trip_follow(skb, sk, t, p, &in) : verdict;
}
