/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the endpoint trie, in the form the hooks look up. Pure. */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "egret/abi.h"

/*
 * Takes an embedded IPv4 address out (as the hooks do, with the site's NAT64 prefix if bits > 0)
 * and zeroes the bits past the prefix. -EINVAL: prefix_len > 128. -EADDRNOTAVAIL: covers an address
 * that must never be governed: unspecified, loopback, link-local, multicast; so also ::/0.
 */
int endpoint_key(const struct eg_endpoint_key *in, const struct eg_addr *nat64, unsigned nat64_bits,
		 struct eg_endpoint_key *ret) _must_check_;
/* The first half of that: any address will do. -EINVAL. */
int endpoint_form(const struct eg_endpoint_key *in, const struct eg_addr *nat64,
		  unsigned nat64_bits, struct eg_endpoint_key *ret) _must_check_;
/* Whether the addresses of `in` are all among those of `out`; both as endpoint_form() gives them.
 */
bool endpoint_covers(const struct eg_endpoint_key *out, const struct eg_endpoint_key *in);
