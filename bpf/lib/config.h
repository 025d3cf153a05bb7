/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Configuration, set by the loader before the programs are loaded and constant from then on: the
 * verifier prunes what is off.
 */
#pragma once

#include "lib/addr.h"

#define CONFIG_PORTS 8

/* TCP ports of governed endpoints that are redirected; 0 matches nothing. */
const volatile __u16 eg_ports[CONFIG_PORTS] = { 443 };
/* The site's own NAT64 prefix (RFC 6052); bits 0: none. */
const volatile struct eg_addr eg_nat64 = {};
const volatile __u32 eg_nat64_bits = 0;
/* SOCK_RAW and other IP protocols may be created; the egress gate still sees their packets. */
const volatile __u32 eg_allow_raw = 0;

static __always_inline int config_is_redirected(__u16 port)
{
	for (int i = 0; i < CONFIG_PORTS; i++)
		if (eg_ports[i] && eg_ports[i] == port)
			return 1;
	return 0;
}

static __always_inline int config_unembed(struct eg_addr *d)
{
	struct eg_addr prefix = { { eg_nat64.a[0], eg_nat64.a[1], eg_nat64.a[2], 0 } };

	return addr_unembed(d, &prefix, eg_nat64_bits);
}
