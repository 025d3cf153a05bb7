/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses a provider may have. A name that resolves into private, loopback, link-local,
 * metadata or other special-use space (RFC 6890 and its registries) is an attack or a mistake,
 * unless configured. An IPv4 address inside an IPv6 one is judged as what a translator makes of it.
 * Pure, except for the allocation of the allow-list. Called by call.c and pool.c.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "egret/abi.h"

struct address_block {
	struct eg_addr addr;
	unsigned bits; /* of the 16-byte form */
	bool is4; /* an IPv4 block; an IPv6 block never covers IPv4 addresses */
};

struct address_policy {
	struct address_block *allow; /* exceptions */
	size_t n_allow;
};

/* cidrs: "addr/bits" or "addr". -EINVAL: one is not, -ENOMEM. */
int address_policy_init(struct address_policy *p, const char *const *cidrs, size_t n) _must_check_;
void address_policy_done(struct address_policy *p);
bool address_may_dial(const struct address_policy *p, const struct eg_addr *a);

bool address_is4(const struct eg_addr *a); /* ::ffff:a.b.c.d */
/* At least INET6_ADDRSTRLEN bytes at `to`; IPv4 in dotted form. Returns `to`. */
const char *address_format(const struct eg_addr *a, char *to);
/* AF_INET for IPv4. Returns the length. */
socklen_t address_sockaddr(const struct eg_addr *a, uint16_t port, struct sockaddr_storage *ret);
/* Families alternate, beginning with IPv6 unless first4 (RFC 8305 section 4); within a family the
 * order stays. Writes at most max of the n addresses; returns how many. */
size_t address_order(const struct eg_addr *addrs, size_t n, bool first4, struct eg_addr *ret,
		     size_t max);
