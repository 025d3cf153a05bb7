/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Learns addresses of governed names from DNS answers, before the client has them: the packet is read
 * on its way into the socket. A convenience for names with many or changing addresses, never the
 * boundary: what is learned is redirected, what is not is caught elsewhere. Always lets pass.
 */
#include "lib/kernel.h"
#include "lib/config.h"
#include "lib/dns.h"
#include "lib/learn.h"
#include "lib/packet.h"
#include "lib/skb.h"
#include "lib/verdict.h"

#define DNS_PORT 53
#define TCP_ROOM 60 /* of a TCP header */

/*
 * Work area, by CPU: this hook runs in softirq, one at a time. `busy` covers kernels where it can be
 * preempted there: the second answer is then not learned.
 */
struct work {
	__u32 busy;
	__u32 provider; /* of the name we are at; 0: not governed */
	__u64 now_ns;
	struct dns dns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} eg_dnswork SEC(".maps");

struct walk {
	struct work *w;
	struct cgroup *cgroup; /* of the socket that gets the answer */
};

static long skip_label(__u32 i, struct walk *k)
{
	return dns_skip_label(&k->w->dns);
}

static long name_byte(__u32 i, struct walk *k)
{
	return dns_name_byte(&k->w->dns);
}

static long key_byte(__u32 i, struct walk *k)
{
	return dns_key_byte(&k->w->dns, i);
}

/* The provider whose name stands at an offset of the message; 0: none. */
static __always_inline __u32 provider_at(struct walk *k, __u32 at)
{
	struct dns *d = &k->w->dns;
	struct eg_name *rule;

	dns_name_begin(d, at);
	bpf_loop(DNS_NAME_ROUNDS, name_byte, k, 0);
	if (d->name_n == 0 || d->label)
		return 0;
	bpf_loop(DNS_NAME_MAX, key_byte, k, 0);
	d->key.prefix_len = d->name_n * 8;
	rule = bpf_map_lookup_elem(&eg_name, &d->key);
	return rule && dns_name_matches(d, rule) ? rule->provider : 0;
}

/* A function of its own: it is called in six places. */
static __noinline void learn(struct walk *k, __u32 at, __u32 n)
{
	struct eg_learned *into;
	struct eg_addr a;

	if (!dns_addr(&k->w->dns, at, n, &a))
		return;
	config_unembed(&a);
	if (addr_is_local(&a)) /* never governed, whoever says so */
		return;
	into = bpf_cgrp_storage_get(&eg_learned, k->cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!into) {
		count_key(EG_COUNT_DNS_BAD);
		return;
	}
	learn_put(into, &a, k->w->provider, k->w->now_ns);
	count_key(EG_COUNT_DNS_LEARNED);
}

/* A parameter of an HTTPS record; of the address hints, the first two are taken. */
static long param(__u32 i, struct walk *k)
{
	struct dns *d = &k->w->dns;
	__u32 at = d->at, key, n;

	if (at + 4 > d->data_end || at >= DNS_MSG_MAX)
		return 1;
	key = dns_u16(d, at);
	n = dns_u16(d, at + 2);
	d->at = at + 4 + n;
	if (d->at > d->data_end)
		return 1;
	if (key == DNS_PARAM_IPV4HINT && n >= 4)
		learn(k, at + 4, 4);
	if (key == DNS_PARAM_IPV4HINT && n >= 8)
		learn(k, at + 8, 4);
	if (key == DNS_PARAM_IPV6HINT && n >= 16)
		learn(k, at + 4, 16);
	if (key == DNS_PARAM_IPV6HINT && n >= 32)
		learn(k, at + 20, 16);
	if (key == DNS_PARAM_ECH)
		count_key(EG_COUNT_DNS_ECH);
	return 0;
}

static __always_inline void https(struct walk *k)
{
	struct dns *d = &k->w->dns;
	__u32 next = d->at;

	d->at = d->data + 2; /* priority */
	bpf_loop(DNS_LABELS_MAX, skip_label, k, 0);
	bpf_loop(DNS_PARAMS_MAX, param, k, 0);
	d->at = next;
}

static long record(__u32 i, struct walk *k)
{
	struct dns *d = &k->w->dns;

	bpf_loop(DNS_LABELS_MAX, skip_label, k, 0);
	if (!dns_record(d)) {
		count_key(EG_COUNT_DNS_BAD);
		return 1;
	}
	if (!k->w->provider) { /* an alias into a governed name: what follows is of interest */
		if (d->type == DNS_CNAME)
			k->w->provider = provider_at(k, d->data);
		return 0;
	}
	if (d->type == DNS_A && d->data_end - d->data == 4)
		learn(k, d->data, 4);
	else if (d->type == DNS_AAAA && d->data_end - d->data == 16)
		learn(k, d->data, 16);
	else if (d->type == DNS_HTTPS || d->type == DNS_SVCB)
		https(k);
	return 0;
}

static __always_inline void answer(struct work *w, struct cgroup *cgroup)
{
	struct walk k = { .w = w, .cgroup = cgroup };
	struct dns *d = &w->dns;

	if (!dns_header(d)) {
		count_key(EG_COUNT_DNS_BAD);
		return;
	}
	count_key(EG_COUNT_DNS_ANSWERS);
	w->now_ns = bpf_ktime_get_ns();
	w->provider = provider_at(&k, d->at);
	bpf_loop(DNS_LABELS_MAX, skip_label, &k, 0);
	d->at += 4; /* type and class of the question */
	bpf_loop(d->records, record, &k, 0);
}

/* Offset of a DNS message from port 53 of a trusted resolver; 0: this is none. */
static __always_inline __u32 find_message(struct __sk_buff *skb)
{
	struct eg_addr from = {};
	struct packet p = {};
	__u8 first, offset;
	__be16 port;

	if (packet_parse(skb_load, skb, &p) != PACKET_PLAIN ||
	    (p.proto != IPPROTO_UDP && p.proto != IPPROTO_TCP) ||
	    bpf_skb_load_bytes(skb, p.l4, &port, 2) || port != bpf_htons(DNS_PORT) ||
	    bpf_skb_load_bytes(skb, 0, &first, 1))
		return 0;
	if (first >> 4 == 4) {
		if (bpf_skb_load_bytes(skb, 12, &from.a[3], 4))
			return 0;
		from.a[2] = bpf_htonl(0xffff);
	} else if (bpf_skb_load_bytes(skb, 8, &from, 16)) {
		return 0;
	}
	if (!bpf_map_lookup_elem(&eg_resolver, &from))
		return 0;
	if (p.proto == IPPROTO_UDP)
		return p.l4 + 8;
	if (bpf_skb_load_bytes(skb, p.l4 + 12, &offset, 1))
		return 0;
	return p.l4 + (offset >> 4) * 4 + 2; /* behind the length that TCP puts in front */
}

/* The message's first DNS_MSG_MAX bytes, without what an earlier one left behind them. */
static __always_inline int copy_message(struct __sk_buff *skb, __u32 at, struct dns *d)
{
	__u64 n;

	if (skb->len <= at + 16)
		return -1;
	n = skb->len - at;
	if (n > DNS_MSG_MAX)
		n = DNS_MSG_MAX;
	d->n = n;
	n = DNS_INDEX(n - 1, DNS_MSG_MAX) + 1;
	return bpf_skb_load_bytes(skb, at, d->msg, n);
}

SEC("cgroup_skb/ingress")
int eg_ingress(struct __sk_buff *skb)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct bpf_sock *sk = skb->sk;
	__u32 zero = 0, at;
	struct sock *ksk;
	struct work *w;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || (sk->protocol == IPPROTO_TCP && sk->dst_port != bpf_htons(DNS_PORT)))
		return verdict_allow();
	at = find_message(skb);
	ksk = kern->sk;
	w = bpf_map_lookup_elem(&eg_dnswork, &zero);
	if (!at || !ksk || !w || w->busy)
		return verdict_allow();
	w->busy = 1;
	if (copy_message(skb, at, &w->dns) == 0)
		answer(w, ksk->sk_cgrp_data.cgroup);
	w->busy = 0;
	return verdict_allow();
}
