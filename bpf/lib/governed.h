/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Is an address governed, and by which provider: what the monitor wrote, then what DNS taught. */
#pragma once

#include "lib/learn.h"
#include "lib/maps.h"

struct governed {
	__u32 provider; /* index + 1; 0: not governed */
	__u32 learned; /* 1: from DNS, in the cgroup at hand */
	__u32 look; /* 1: not known whose it is, to be looked at (EG_PROVIDER_LOOK) */
};

static __always_inline void governed_lookup(const struct eg_addr *dst, struct governed *ret)
{
	struct eg_endpoint_key key = { .prefix_len = 128, .addr = *dst };
	struct eg_endpoint *e = bpf_map_lookup_elem(&eg_endpoint, &key);

	ret->provider = e ? e->provider : 0;
	ret->learned = 0;
	ret->look = 0;
}

/* The provider learned for an address; 0: none. Global, so that the verifier walks it once, not
 * once on every path that leads here. */
__noinline __u32 governed_in_table(struct eg_learned *t, const struct eg_addr *dst)
{
	struct eg_learned_entry *found;

	if (!t || !dst) /* the verifier does not know its callers */
		return 0;
	found = learn_find(t, dst);
	return found ? found->provider : 0;
}

/* The same for what was learned in one cgroup; nothing happens when it is governed already. */
static __always_inline void governed_lookup_learned(struct cgroup *cgroup,
						    const struct eg_addr *dst, struct governed *ret)
{
	struct eg_learned *t;
	__u32 provider;

	if (ret->provider || !cgroup || !cgroup->bpf_cgrp_storage) /* none of anybody's: no call */
		return;
	t = bpf_cgrp_storage_get(&eg_learned, cgroup, 0, 0);
	if (!t) /* nobody in it ever asked for a governed name */
		return;
	provider = governed_in_table(t, dst);
	if (provider == EG_PROVIDER_LOOK) {
		ret->look = 1;
		return;
	}
	ret->provider = provider;
	ret->learned = provider != 0;
}
