/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allow-lists as the hooks look them up. A trie answers with the longest entry only, so each entry
 * is given what wider ones of its list let through as well: one look-up then says all. Pure.
 * Private to dataplane/.
 */
#pragma once

#include <stddef.h>

#include "dataplane/dataplane.h"

struct allow_address {
	struct eg_allow_key key;
	struct eg_allow value;
};

struct allow_name {
	struct eg_allow_name_key key;
	struct eg_allow_name value;
};

struct allow_rule {
	uint64_t key;
	struct eg_allow value;
};

/* Each sorted by the bytes of its keys, no key twice. */
struct allow_tables {
	struct allow_address *addresses;
	struct allow_name *names;
	struct allow_rule *rules;
	size_t n_addresses, n_names, n_rules;
};

/*
 * `v`: entries of one list side by side; names in lower case. -EINVAL: not a name or an address;
 * -E2BIG: more than EG_SERVICES_MAX ports for one destination; -EEXIST: two rules have one hash;
 * `ret_at` is the entry then. -ENOMEM.
 */
int allow_compile(const struct dataplane_allow *v, size_t n, const struct eg_addr *nat64,
		  unsigned nat64_bits, struct allow_tables *ret, size_t *ret_at) _must_check_;
void allow_tables_done(struct allow_tables *t);
