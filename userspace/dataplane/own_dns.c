/* SPDX-License-Identifier: Apache-2.0 */
/* Resolvers of workloads' own network namespaces, for eg_ingress. */
#include <bpf/bpf.h>
#include <string.h>

#include "dataplane/state.h"

int dataplane_own_dns_set(struct dataplane *dp, uint64_t netns, const struct eg_addr *addrs,
			  size_t n)
{
	int fd = dp->in.map[PINS_eg_own_dns];
	struct eg_own_dns own = { .n = (uint32_t)n };

	if (n > EG_OWN_DNS_MAX)
		return -E2BIG;
	if (n == 0)
		return bpf_map_delete_elem(fd, &netns) < 0 && errno != ENOENT ? -errno : 0;
	memcpy(own.addr, addrs, n * sizeof(*addrs));
	return bpf_map_update_elem(fd, &netns, &own, BPF_ANY) < 0 ? -errno : 0;
}

int dataplane_own_dns_forget_all(struct dataplane *dp)
{
	int fd = dp->in.map[PINS_eg_own_dns];
	uint64_t netns;

	while (bpf_map_get_next_key(fd, NULL, &netns) == 0)
		if (bpf_map_delete_elem(fd, &netns) < 0)
			return -errno;
	return 0;
}
