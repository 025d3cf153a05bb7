/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One 128-bit form for every destination: IPv4 is ::ffff:a.b.c.d, also where it hides inside an
 * IPv6 address that some translator will turn back into IPv4. Pure: no helper, also compiled
 * natively (tests, endpoint keys in userspace), so both sides agree on the form.
 */
#pragma once

#include <bpf/bpf_endian.h>

#include "egret/abi.h"

#define addr_inline static inline __attribute__((always_inline))

addr_inline void addr_map4(struct eg_addr *d, __be32 ip4)
{
	d->a[0] = 0;
	d->a[1] = 0;
	d->a[2] = bpf_htonl(0xffff);
	d->a[3] = ip4;
}

addr_inline int addr_is_mapped(const struct eg_addr *d)
{
	return d->a[0] == 0 && d->a[1] == 0 && d->a[2] == bpf_htonl(0xffff);
}

/*
 * RFC 6052 2.2: the IPv4 address follows the prefix; for prefixes shorter than 96 bits it is
 * split around bits 64..71 (the `u` octet). Returns 0 when d is not under the prefix.
 */
addr_inline int addr_nat64(const struct eg_addr *d, const struct eg_addr *prefix, __u32 bits,
			   __be32 *ret)
{
	__u32 w1 = bpf_ntohl(d->a[1]), w2 = bpf_ntohl(d->a[2]);

	if (bits < 32 || d->a[0] != prefix->a[0])
		return 0;
	switch (bits) {
	case 32:
		*ret = d->a[1];
		return 1;
	case 40:
		*ret = bpf_htonl(w1 << 8 | (w2 >> 16 & 0xff));
		return (w1 ^ bpf_ntohl(prefix->a[1])) >> 24 == 0;
	case 48:
		*ret = bpf_htonl(w1 << 16 | (w2 >> 8 & 0xffff));
		return (w1 ^ bpf_ntohl(prefix->a[1])) >> 16 == 0;
	case 56:
		*ret = bpf_htonl(w1 << 24 | (w2 & 0xffffff));
		return (w1 ^ bpf_ntohl(prefix->a[1])) >> 8 == 0;
	case 64:
		*ret = bpf_htonl(w2 << 8 | bpf_ntohl(d->a[3]) >> 24);
		return d->a[1] == prefix->a[1];
	case 96:
		*ret = d->a[3];
		return d->a[1] == prefix->a[1] && d->a[2] == prefix->a[2];
	}
	return 0;
}

/* Rewrites an IPv6 destination that embeds an IPv4 one; returns whether it did. */
addr_inline int addr_unembed(struct eg_addr *d, const struct eg_addr *nat64, __u32 nat64_bits)
{
	__u32 w0 = bpf_ntohl(d->a[0]), w1 = bpf_ntohl(d->a[1]);
	__be32 v4;

	if (addr_is_mapped(d))
		return 0;
	if (d->a[1] == 0 && d->a[2] == 0 && w0 == 0x0064ff9b) /* 64:ff9b::/96, RFC 6052 */
		v4 = d->a[3];
	else if (w0 >> 16 == 0x2002) /* 2002:V4::/16, 6to4, RFC 3056 */
		v4 = bpf_htonl(w0 << 16 | w1 >> 16);
	else if (d->a[0] == 0 && d->a[1] == 0 && d->a[2] == 0 && bpf_ntohl(d->a[3]) > 1)
		v4 = d->a[3]; /* ::a.b.c.d, IPv4-compatible, RFC 4291 2.5.5.1 */
	else if (!addr_nat64(d, nat64, nat64_bits, &v4))
		return 0;
	addr_map4(d, v4);
	return 1;
}

/* Loopback, or the unspecified address, which connect() takes for loopback. */
addr_inline int addr_is_local(const struct eg_addr *d)
{
	if (addr_is_mapped(d))
		return d->a[3] == 0 || (d->a[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return d->a[0] == 0 && d->a[1] == 0 && d->a[2] == 0 && bpf_ntohl(d->a[3]) <= 1;
}

/* fe80::/10 or 169.254.0.0/16. */
addr_inline int addr_is_link_local(const struct eg_addr *d)
{
	if (addr_is_mapped(d))
		return (d->a[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
	return (d->a[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}
