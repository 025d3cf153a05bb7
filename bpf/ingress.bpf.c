/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Learns addresses of governed names from DNS answers, before the client has them: the packet is
 * read on its way into the socket. A convenience for names with many or changing addresses, never
 * the boundary: what is learned is redirected, what is not is caught elsewhere. In cgroups that may
 * reach a list of names only, also the addresses of those names; but not from a resolver that only
 * the workload itself vouches for. Lets all of it pass; drops only what would reach a listener
 * beside egret's own.
 */
#include "lib/kernel.h"
#include "lib/config.h"
#include "lib/dns.h"
#include "lib/learn.h"
#include "lib/packet.h"
#include "lib/permit.h"
#include "lib/skb.h"
#include "lib/verdict.h"

#define DNS_PORT     53
#define DNS_QUESTION 12 /* offset of the name asked for */
#define FOUND_MAX    64 /* addresses taken from one answer; a power of two */

struct sender {
	struct eg_addr addr;
	__u32 source; /* enum eg_endpoint_source: of what it teaches; 0: it is not believed */
};

/*
 * Work area, by CPU: this hook runs in softirq, one at a time. `busy` covers kernels where it can
 * be preempted there: the second answer is then not learned.
 */
struct work {
	__u32 busy;
	__u32 provider; /* of the name we are at; 0: not governed */
	__u32 list; /* of a cgroup that may not reach just anything; 0 */
	__u64 rule; /* by which the name asked for is on it; 0: it is not */
	__u64 netns;
	__u64 now_ns;
	struct sender from; /* the resolver */
	char asked[EG_EVENT_NAME]; /* the name, where it is neither governed nor on the list */
	__u32 ech; /* it offers keys to hide the name with */
	__u32 n_found;
	struct {
		struct eg_addr addr;
		__u32 provider;
	} found[FOUND_MAX];
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
	return name_key_byte(&k->w->dns.name, i);
}

/* The provider whose name stands at an offset of the message; 0: none. */
static __always_inline __u32 provider_at(struct walk *k, __u32 at)
{
	struct dns *d = &k->w->dns;
	struct eg_name *rule;

	dns_name_begin(d, at);
	bpf_loop(DNS_NAME_ROUNDS, name_byte, k, 0);
	if (d->name.n == 0 || d->label)
		return 0;
	bpf_loop(NAME_MAX_BYTES, key_byte, k, 0);
	d->name.key.prefix_len = d->name.n * 8;
	rule = bpf_map_lookup_elem(&eg_name, &d->name.key);
	return rule && name_matches(&d->name, rule) ? rule->provider : 0;
}

/* The rule of the list for the name that provider_at() has just read; 0: none. */
static __always_inline __u64 rule_at(struct walk *k)
{
	struct dns *d = &k->w->dns;
	struct eg_allow_name *a;

	if (!k->w->list || d->name.n == 0 || d->label)
		return 0;
	d->name.listed.list = k->w->list;
	d->name.listed.prefix_len = 32 + d->name.n * 8;
	a = bpf_map_lookup_elem(&eg_allow_name, &d->name.listed);
	if (!a)
		return 0;
	return a->name_n == d->name.n ? a->self : a->below;
}

/* Kept until the answer has been read: called in six places, this is small, and learning is not. */
static __noinline void find(struct walk *k, __u32 at, __u32 n)
{
	__u64 i = DNS_INDEX(k->w->n_found, FOUND_MAX);
	struct eg_addr a;

	if (k->w->n_found >= FOUND_MAX || !dns_addr(&k->w->dns, at, n, &a))
		return;
	config_unembed(&a);
	if (addr_is_local(&a)) /* never governed, whoever says so */
		return;
	k->w->found[i].addr = a;
	k->w->found[i].provider = k->w->provider;
	k->w->n_found++;
}

static __always_inline void learn_allowed(struct walk *k, const struct eg_addr *a)
{
	struct eg_allowed *into;

	into = bpf_cgrp_storage_get(&eg_allowed, k->cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!into) {
		count_key(EG_COUNT_DNS_BAD);
		return;
	}
	allow_put(into, a, k->w->netns, k->w->rule, k->w->now_ns);
	count_key(EG_COUNT_DNS_LEARNED);
}

static __always_inline void learn_governed(struct walk *k, const struct eg_addr *a, __u32 provider)
{
	struct eg_learned *into;

	into = bpf_cgrp_storage_get(&eg_learned, k->cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!into) {
		count_key(EG_COUNT_DNS_BAD);
		return;
	}
	learn_put(into, a, provider, k->w->from.source, k->w->now_ns);
	count_key(EG_COUNT_DNS_LEARNED);
}

/* For people, who would rather allow a name than an address. */
static __always_inline void learn_asked(struct walk *k, const struct eg_addr *a)
{
	struct eg_asked *into;

	into = bpf_cgrp_storage_get(&eg_asked, k->cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (into)
		asked_put(into, a, k->w->asked);
}

static long learn(__u32 i, struct walk *k)
{
	__u64 at = DNS_INDEX(i, FOUND_MAX);
	struct eg_addr a = k->w->found[at].addr;

	if (k->w->found[at].provider)
		learn_governed(k, &a, k->w->found[at].provider);
	if (k->w->rule)
		learn_allowed(k, &a);
	else if (!k->w->found[at].provider && k->w->asked[0])
		learn_asked(k, &a);
	return 0;
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
		find(k, at + 4, 4);
	if (key == DNS_PARAM_IPV4HINT && n >= 8)
		find(k, at + 8, 4);
	if (key == DNS_PARAM_IPV6HINT && n >= 16)
		find(k, at + 4, 16);
	if (key == DNS_PARAM_IPV6HINT && n >= 32)
		find(k, at + 20, 16);
	if (key == DNS_PARAM_ECH && k->w->provider)
		k->w->ech = 1;
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
	/* An alias into a governed name: what follows is of interest. Into an allowed one it is
	 * not: the name asked for must be on the list itself. */
	if (!k->w->provider && d->type == DNS_CNAME) {
		k->w->provider = provider_at(k, d->data);
		return 0;
	}
	if (!k->w->provider && !k->w->rule && !k->w->asked[0])
		return 0;
	if (d->type == DNS_A && d->data_end - d->data == 4)
		find(k, d->data, 4);
	else if (d->type == DNS_AAAA && d->data_end - d->data == 16)
		find(k, d->data, 16);
	else if (d->type == DNS_HTTPS || d->type == DNS_SVCB)
		https(k);
	return 0;
}

static __always_inline void find_list(struct work *w, struct sock *sk)
{
	struct eg_mode m = {};

	if (mode_any() && w->from.source == EG_ENDPOINT_LEARNED)
		mode_of(sk->sk_cgrp_data.cgroup, &m);
	w->list = m.egress == EG_EGRESS_DENY ? m.list : 0;
	w->netns = sk->__sk_common.skc_net.net->net_cookie;
}

/* Keeps the name that provider_at() has just read, if it is to be shown one day. */
static __always_inline void keep_asked(struct walk *k)
{
	const struct name *m = &k->w->dns.name;

	k->w->asked[0] = 0;
	if (!k->w->list || k->w->provider || k->w->rule || m->n < 2 || m->n > EG_EVENT_NAME)
		return;
	__builtin_memcpy(k->w->asked, m->s + 1, EG_EVENT_NAME);
	/* Behind a shorter one is what was there before. */
	k->w->asked[NAME_INDEX(m->n - 1, EG_EVENT_NAME)] = 0;
}

/* Nothing is changed in the answer: programs of this type can only read packets. */
static __always_inline void report_ech(struct walk *k, struct sock *ksk)
{
	struct eg_event *e;

	count_key(EG_COUNT_DNS_ECH);
	e = count_begin(k->cgroup, EG_HOOK_INGRESS, EG_REASON_k_ech);
	if (!e)
		return;
	e->flow.dst = k->w->from.addr;
	e->flow.dport = DNS_PORT;
	e->flow.proto = ksk->sk_protocol;
	e->flow.family = ksk->__sk_common.skc_family;
	e->flow.uid = ksk->sk_uid.val;
	e->flow.cgroup = k->cgroup->kn->id;
	e->flow.sk_cgroup = e->flow.cgroup;
	e->flow.netns = k->w->netns;
	e->flow.provider = k->w->provider;
	e->flow.time_ns = k->w->now_ns;
	provider_at(k, DNS_QUESTION); /* the name asked for, not that of an alias */
	bpf_probe_read_kernel(e->name, sizeof(e->name) - 1, k->w->dns.name.s + 1);
	if (k->w->dns.name.n <= EG_EVENT_NAME) /* behind a shorter one is what was there before */
		e->name[NAME_INDEX(k->w->dns.name.n - 1, EG_EVENT_NAME)] = 0;
	bpf_ringbuf_submit(e, 0);
}

/* The message in the work area. Global: the verifier walks it once, not on every path that leads
 * here. */
__noinline int answer(struct __sk_buff *skb, struct work *w)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;
	struct walk k = { .w = w };
	struct dns *d;

	if (!w || !ksk)
		return 0;
	k.cgroup = ksk->sk_cgrp_data.cgroup;
	d = &w->dns;
	if (!dns_header(d)) {
		count_key(EG_COUNT_DNS_BAD);
		return 0;
	}
	find_list(w, ksk);
	count_key(EG_COUNT_DNS_ANSWERS);
	w->now_ns = bpf_ktime_get_ns();
	w->provider = provider_at(&k, d->at);
	w->rule = rule_at(&k);
	keep_asked(&k);
	bpf_loop(DNS_LABELS_MAX, skip_label, &k, 0);
	d->at += 4; /* type and class of the question */
	w->n_found = 0;
	w->ech = 0;
	bpf_loop(d->records, record, &k, 0);
	bpf_loop(w->n_found, learn, &k, 0);
	if (w->ech)
		report_ech(&k, ksk);
	return 0;
}

/* The beginning of what a server sends: where later messages begin, only who reads the stream
 * knows. Taken for one, what a resolver quotes from anybody's zone would teach. */
static __always_inline int is_first_segment(struct __sk_buff *skb, struct bpf_sock *sk, __u32 l4)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);
	__be32 seq;

	return tp && !tp->bytes_received && !bpf_skb_load_bytes(skb, l4 + 4, &seq, 4) &&
	       bpf_ntohl(seq) == tp->rcv_nxt;
}

static __always_inline __u32 source_of(const struct eg_addr *from, __u64 netns)
{
	struct eg_own_dns *own;

	if (permit_resolver(from, netns))
		return EG_ENDPOINT_LEARNED;
	own = bpf_map_lookup_elem(&eg_own_dns, &netns);
	return own && learn_is_own(own, from) ? EG_ENDPOINT_OWN_DNS : 0;
}

/* Offset of a DNS message from port 53 of a resolver that is believed; 0: this is none. */
static __always_inline __u32 find_message(struct __sk_buff *skb, struct bpf_sock *sk,
					  struct sender *ret_from)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;
	struct sender from = {};
	struct packet p = {};
	__u8 first, offset;
	__be16 port;

	if (packet_parse(skb_load, skb, &p) != PACKET_PLAIN ||
	    (p.proto != IPPROTO_UDP && p.proto != IPPROTO_TCP) ||
	    bpf_skb_load_bytes(skb, p.l4, &port, 2) || port != bpf_htons(DNS_PORT) ||
	    bpf_skb_load_bytes(skb, 0, &first, 1))
		return 0;
	if (first >> 4 == 4) {
		if (bpf_skb_load_bytes(skb, 12, &from.addr.a[3], 4))
			return 0;
		from.addr.a[2] = bpf_htonl(0xffff);
	} else if (bpf_skb_load_bytes(skb, 8, &from.addr, 16)) {
		return 0;
	}
	if (!ksk)
		return 0;
	from.source = source_of(&from.addr, ksk->__sk_common.skc_net.net->net_cookie);
	if (!from.source)
		return 0;
	*ret_from = from;
	if (p.proto == IPPROTO_UDP)
		return p.l4 + 8;
	if (!is_first_segment(skb, sk, p.l4) || bpf_skb_load_bytes(skb, p.l4 + 12, &offset, 1))
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

/*
 * A listener beside egret's, at the same address: whoever owns the namespace can get it there past
 * bind(), by leaving the port to the kernel and the kernel no other, and would be given a share of
 * what is redirected.
 */
static __always_inline int is_intruder(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct sk_buff *kern = bpf_cast_to_kern_ctx(skb);
	struct sock *ksk = kern->sk;
	__u64 netns;

	if (sk->state != TCP_LISTEN_STATE || sk->src_port != EG_PROXY_PORT || !ksk ||
	    bpf_sk_storage_get(&eg_stamp, sk, 0, 0))
		return 0;
	netns = ksk->__sk_common.skc_net.net->net_cookie;
	return bpf_map_lookup_elem(&eg_netns, &netns) ? 1 : 0;
}

SEC("cgroup_skb/ingress")
int eg_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct sender from = {};
	__u32 zero = 0, at;
	struct work *w;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk)
		return verdict_allow();
	if (sk->protocol == IPPROTO_TCP && sk->dst_port != bpf_htons(DNS_PORT)) {
		if (is_intruder(skb, sk))
			return verdict_drop(EG_HOOK_INGRESS, EG_REASON_k_bind_proxy_port);
		return verdict_allow();
	}
	at = find_message(skb, sk, &from);
	w = bpf_map_lookup_elem(&eg_dnswork, &zero);
	if (!at || !w || w->busy)
		return verdict_allow();
	w->busy = 1;
	w->from = from;
	if (copy_message(skb, at, &w->dns) == 0)
		answer(skb, w);
	w->busy = 0;
	return verdict_allow();
}
