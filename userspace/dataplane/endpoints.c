/* SPDX-License-Identifier: Apache-2.0 */
/* Governed addresses, written to the trie that the hooks read. */
#include <bpf/bpf.h>

#include "dataplane/endpoint.h"
#include "dataplane/state.h"

#include <bpf/libbpf.h>

#include "egret.skel.h"

int dataplane_endpoint_key(const struct dataplane *dp, const struct eg_endpoint_key *in,
			   struct eg_endpoint_key *ret)
{
	struct eg_addr nat64 = dp->skel->rodata->eg_nat64;

	return endpoint_key(in, &nat64, dp->skel->rodata->eg_nat64_bits, ret);
}

int dataplane_endpoint_set(struct dataplane *dp, const struct eg_endpoint_key *in,
			   uint32_t provider, uint32_t source, uint64_t now_ns)
{
	struct eg_endpoint value = { .provider = provider, .source = source, .since_ns = now_ns };
	int fd = dp->in.map[PINS_eg_endpoint], r;
	struct eg_endpoint_key key;
	struct eg_endpoint old;

	r = dataplane_endpoint_key(dp, in, &key);
	if (r < 0)
		return r;
	/* A trie finds the longest prefix: what a catalogue entry covers is governed already. */
	if (source != EG_ENDPOINT_CATALOGUE && bpf_map_lookup_elem(fd, &key, &old) == 0 &&
	    old.source == EG_ENDPOINT_CATALOGUE)
		return 0;
	return bpf_map_update_elem(fd, &key, &value, BPF_ANY) < 0 ? -errno : 0;
}

int dataplane_endpoint_delete(struct dataplane *dp, const struct eg_endpoint_key *in)
{
	struct eg_endpoint_key key;
	int r;

	r = dataplane_endpoint_key(dp, in, &key);
	if (r < 0)
		return r;
	return bpf_map_delete_elem(dp->in.map[PINS_eg_endpoint], &key) < 0 ? -errno : 0;
}

int dataplane_endpoint_expire(struct dataplane *dp, uint32_t source, uint64_t before_ns)
{
	struct eg_endpoint_key key, next;
	int fd = dp->in.map[PINS_eg_endpoint], removed = 0;
	struct eg_endpoint value;
	bool more;

	more = bpf_map_get_next_key(fd, NULL, &key) == 0;
	while (more) {
		/* The next one first: a trie cannot go on from a key that is gone. */
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &value) == 0 && value.source == source &&
		    value.since_ns < before_ns) {
			if (bpf_map_delete_elem(fd, &key) < 0)
				return -errno;
			removed++;
		}
		key = next;
	}
	return removed;
}
