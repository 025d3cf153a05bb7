/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The backstop: on the host's side of a device whose other end a workload holds in a network
 * namespace of its own, every frame that it sends, however it was made: AF_PACKET, AF_XDP, what it
 * forwards or rewrites there; no cgroup hook sees those. Its own connections to governed addresses
 * never come this way, as they end at egret's listener in its namespace: so nothing is exempt.
 * Addresses learned from DNS are known by cgroup, and here is none.
 */
#include "lib/kernel.h"
#include "lib/config.h"
#include "lib/governed.h"
#include "lib/packet.h"
#include "lib/verdict.h"

#define ETH_TYPE_IP4  0x0800
#define ETH_TYPE_IP6  0x86dd
#define ETH_TYPE_VLAN 0x8100
#define ETH_TYPE_QINQ 0x88a8
#define VETH_TAGS_MAX 3 /* VLAN tags; the kernel took one more off already */
#define VETH_FROM_NET 1 /* BPF_HDR_START_NET */

struct frame {
	struct __sk_buff *skb;
	__u32 at; /* where its IP header begins, behind tags */
};

static __always_inline int veth_load(void *ctx, __u32 offset, void *to, __u32 n)
{
	struct frame *f = ctx;

	return bpf_skb_load_bytes_relative(f->skb, f->at + offset, to, n, VETH_FROM_NET);
}

/* Its type behind all VLAN tags; 0: cut short, or tags without end. */
static __always_inline __u16 veth_type(struct frame *f)
{
	__be16 type = (__be16)f->skb->protocol;

	for (int i = 0; i <= VETH_TAGS_MAX; i++) {
		if (type != bpf_htons(ETH_TYPE_VLAN) && type != bpf_htons(ETH_TYPE_QINQ))
			return bpf_ntohs(type);
		if (veth_load(f, 2, &type, sizeof(type)))
			return 0;
		f->at += 4;
	}
	return 0;
}

static __always_inline void veth_report(struct __sk_buff *skb, const struct packet *p,
					__u32 provider)
{
	__u32 device = skb->ifindex;
	struct eg_veth *v = bpf_map_lookup_elem(&eg_veth, &device);
	struct eg_flow f = {
		.dst = p->dst,
		.proto = p->proto,
		.provider = provider,
		.family = addr_is_mapped(&p->dst) ? AF_INET : AF_INET6,
		.time_ns = bpf_ktime_get_ns(),
	};

	if (!v)
		return;
	__sync_fetch_and_add(&v->dropped, 1);
	f.netns = v->netns;
	count_event_of(v, EG_HOOK_VETH, EG_REASON_k_veth, &f);
}

SEC("tc")
int eg_veth_ingress(struct __sk_buff *skb)
{
	struct frame f = { .skb = skb };
	struct packet p = {};
	struct governed g = {};
	__u16 type = veth_type(&f);

	if (type && type != ETH_TYPE_IP4 && type != ETH_TYPE_IP6)
		return verdict_next_frame();
	if (type && packet_parse(veth_load, &f, &p) == PACKET_PLAIN) {
		config_unembed(&p.dst);
		governed_lookup(&p.dst, &g);
		if (!g.provider)
			return verdict_next_frame();
	}
	veth_report(skb, &p, g.provider);
	return verdict_drop_frame(EG_HOOK_VETH, EG_REASON_k_veth);
}
