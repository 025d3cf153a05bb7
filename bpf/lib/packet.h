/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where an IP packet goes, from a byte accessor, so that the same code reads an skb in the kernel
 * and an array in a test. A packet that cannot be understood is PACKET_ODD: the gate drops it
 * unless egret sent it.
 */
#pragma once

#include "lib/addr.h"

/* Copies n bytes at offset; not 0 when they are not all there. Constant at each call: inlined. */
typedef int (*packet_load_fn)(void *ctx, __u32 offset, void *to, __u32 n);

/*
 * An offset whose value the mask does not change. The verifier takes it as anything up to the mask,
 * so that the paths through a loop meet again instead of multiplying (over a million otherwise).
 */
#ifdef __bpf__
#define PACKET_FORGET(offset, mask) asm volatile("%0 &= " #mask : "+r"(offset))
#else
#define PACKET_FORGET(offset, mask) ((void)((offset) &= (mask)))
#endif

enum packet_kind {
	PACKET_PLAIN,
	PACKET_ODD, /* source-routed, cut short, or of no IP version: dst is not the whole truth */
};

struct packet {
	struct eg_addr dst;
	__u32 l4; /* offset of the transport header */
	__u32 len; /* of the whole packet by its IP header; 0: jumbogram */
	__u8 proto;
	__u8 v6;
	__u8 fragment; /* IPv6: has a fragment header */
};

#define PACKET_OPTIONS_MAX 40 /* bytes of IPv4 options */
#define PACKET_HEADERS_MAX 8 /* IPv6 extension headers walked */

#define IP4_OPT_END	   0
#define IP4_OPT_NOP	   1
#define IP4_OPT_LSRR	   131
#define IP4_OPT_SSRR	   137

/* IPv4 options in bytes [at, end) of the accessor, end <= 60: a source route, or malformed? */
addr_inline int packet_options_odd(packet_load_fn load, void *ctx, __u64 at, __u32 end)
{
	__u8 opt, n;

	for (int i = 0; i < PACKET_OPTIONS_MAX; i++) {
		if (at >= end)
			return 0;
		if (load(ctx, at, &opt, 1))
			return 1;
		if (opt == IP4_OPT_END)
			return 0;
		if (opt == IP4_OPT_LSRR || opt == IP4_OPT_SSRR)
			return 1;
		n = 1;
		if (opt != IP4_OPT_NOP && (load(ctx, at + 1, &n, 1) || n < 2))
			return 1;
		at += n;
		if (at > end)
			return 1;
		PACKET_FORGET(at, 63);
	}
	return at < end;
}

addr_inline enum packet_kind packet_parse4(packet_load_fn load, void *ctx, __u8 first,
					   struct packet *p)
{
	__u32 ihl = (first & 15) * 4;
	__be16 len;
	__be32 v4;

	if (load(ctx, 16, &v4, 4) || load(ctx, 2, &len, 2) || load(ctx, 9, &p->proto, 1))
		return PACKET_ODD;
	addr_map4(&p->dst, v4);
	p->len = bpf_ntohs(len);
	p->l4 = ihl;
	if (ihl < 20)
		return PACKET_ODD;
	if (ihl > 20 && packet_options_odd(load, ctx, 20, ihl))
		return PACKET_ODD;
	return PACKET_PLAIN;
}

#define IP6_HOP	     0
#define IP6_ROUTING  43
#define IP6_FRAGMENT 44
#define IP6_AUTH     51
#define IP6_DEST     60

addr_inline enum packet_kind packet_parse6(packet_load_fn load, void *ctx, struct packet *p)
{
	__be16 len;
	__u64 l4 = 40;
	__u8 ext[2], proto;

	p->v6 = 1;
	if (load(ctx, 24, &p->dst, 16) || load(ctx, 4, &len, 2) || load(ctx, 6, &p->proto, 1))
		return PACKET_ODD;
	p->len = len ? bpf_ntohs(len) + 40u : 0;
	for (int i = 0; i < PACKET_HEADERS_MAX; i++) {
		proto = p->proto;
		p->l4 = l4;
		if (proto == IP6_ROUTING)
			return PACKET_ODD;
		if (proto != IP6_HOP && proto != IP6_FRAGMENT && proto != IP6_AUTH &&
		    proto != IP6_DEST)
			return PACKET_PLAIN;
		if (load(ctx, l4, ext, 2))
			return PACKET_ODD;
		if (proto == IP6_FRAGMENT)
			p->fragment = 1;
		p->proto = ext[0];
		if (proto == IP6_FRAGMENT)
			l4 += 8;
		else
			l4 += proto == IP6_AUTH ? (ext[1] + 2) * 4 : (ext[1] + 1) * 8;
		PACKET_FORGET(l4, 0x7fff);
	}
	return PACKET_ODD;
}

addr_inline enum packet_kind packet_parse(packet_load_fn load, void *ctx, struct packet *p)
{
	__u8 first;

	if (load(ctx, 0, &first, 1))
		return PACKET_ODD;
	if (first >> 4 == 4)
		return packet_parse4(load, ctx, first, p);
	if (first >> 4 == 6)
		return packet_parse6(load, ctx, p);
	return PACKET_ODD;
}

#define TCP_PACKET_SYN 0x02
#define TCP_PACKET_RST 0x04
#define TCP_PACKET_URG 0x20

/* TCP flags of a segment without a byte of payload; -1: not TCP, or it has payload, or doubt. */
addr_inline int packet_bare_tcp(packet_load_fn load, void *ctx, const struct packet *p)
{
	__u8 bytes[2]; /* data offset, flags */

	if (p->proto != 6 || p->len == 0 || load(ctx, p->l4 + 12, bytes, 2))
		return -1;
	if (p->len != p->l4 + (bytes[0] >> 4) * 4u)
		return -1;
	return bytes[1];
}

/* Destination port of TCP or UDP, host order; 0: another protocol, or part of a packet. */
addr_inline __u32 packet_port(packet_load_fn load, void *ctx, const struct packet *p)
{
	__be16 port, offset;

	if ((p->proto != 6 && p->proto != 17) || p->fragment)
		return 0;
	/* More fragments, or not the first. */
	if (!p->v6 && (load(ctx, 6, &offset, 2) || offset & bpf_htons(0x3fff)))
		return 0;
	return load(ctx, p->l4 + 2, &port, 2) ? 0 : bpf_ntohs(port);
}
