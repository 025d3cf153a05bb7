/* SPDX-License-Identifier: Apache-2.0 */
/* Modes of cgroups and the allow-lists they name, written for the hooks. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane/allow.h"
#include "dataplane/inspect.h"
#include "dataplane/state.h"

#include "egret.skel.h"

#define KEY_MAX sizeof(struct eg_allow_name_key)

int dataplane_modes_switch(struct dataplane *dp, bool on)
{
	uint32_t zero = 0, value = on;

	return bpf_map_update_elem(dp->in.map[PINS_eg_switch], &zero, &value, BPF_ANY) < 0 ? -errno
											   : 0;
}

int dataplane_mode_set(struct dataplane *dp, int cgroup_fd, const struct eg_mode *mode)
{
	int fd = dp->in.map[PINS_eg_mode];

	if (mode)
		return bpf_map_update_elem(fd, &cgroup_fd, mode, BPF_ANY) < 0 ? -errno : 0;
	return bpf_map_delete_elem(fd, &cgroup_fd) < 0 && errno != ENOENT ? -errno : 0;
}

int inspect_mode(const struct inspect *in, int cgroup_fd, struct eg_mode *ret)
{
	return bpf_map_lookup_elem(in->map[PINS_eg_mode], &cgroup_fd, ret) < 0 ? -errno : 0;
}

/* One of the three maps: its entries, keys in front, ascending by the bytes of these. */
struct table {
	int fd;
	const char *entries;
	size_t n, entry_size, key_size, value_at;
};

static int put(const struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const char *entry = t->entries + i * t->entry_size;

		if (bpf_map_update_elem(t->fd, entry, entry + t->value_at, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static bool has(const struct table *t, const void *key)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int diff = memcmp(key, t->entries + middle * t->entry_size, t->key_size);

		if (diff == 0)
			return true;
		if (diff < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static int remove_others(const struct table *t)
{
	char key[KEY_MAX], next[KEY_MAX];
	bool more = bpf_map_get_next_key(t->fd, NULL, key) == 0;

	while (more) {
		more = bpf_map_get_next_key(t->fd, key, next) == 0;
		if (!has(t, key) && bpf_map_delete_elem(t->fd, key) < 0 && errno != ENOENT)
			return -errno;
		memcpy(key, next, t->key_size);
	}
	return 0;
}

static int install(struct dataplane *dp, const struct allow_tables *a, struct diag *d)
{
	const struct table tables[] = {
		{ dp->in.map[PINS_eg_allow_rule], (const char *)a->rules, a->n_rules,
		  sizeof(*a->rules), sizeof(a->rules->key), offsetof(struct allow_rule, value) },
		{ dp->in.map[PINS_eg_allow], (const char *)a->addresses, a->n_addresses,
		  sizeof(*a->addresses), sizeof(a->addresses->key),
		  offsetof(struct allow_address, value) },
		{ dp->in.map[PINS_eg_allow_name], (const char *)a->names, a->n_names,
		  sizeof(*a->names), sizeof(a->names->key), offsetof(struct allow_name, value) },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tables) && r == 0; i++)
		r = put(&tables[i]);
	for (size_t i = 0; i < ARRAY_SIZE(tables) && r == 0; i++)
		r = remove_others(&tables[i]);
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot write allow-lists to the kernel: %s%s", strerror(-r),
			      r == -ENOSPC ? ": more entries than the map holds; what did not "
					     "fit is refused"
					   : "");
	return r;
}

int dataplane_lists_set(struct dataplane *dp, const struct dataplane_allow *v, size_t n,
			struct diag *d)
{
	struct eg_addr nat64 = dp->skel->rodata->eg_nat64;
	_cleanup_(allow_tables_done) struct allow_tables tables = { 0 };
	size_t at = 0;
	int r;

	r = allow_compile(v, n, &nat64, dp->skel->rodata->eg_nat64_bits, &tables, &at);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot use allow-list entry \"" SLICE_FMT "\": %s",
			      SLICE_ARG(v[at].name),
			      r == -E2BIG ? "more ports than the kernel's map holds for one "
					    "destination"
					  : strerror(-r));
		return r;
	}
	return install(dp, &tables, d);
}

int inspect_allowed(const struct inspect *in, int cgroup_fd, inspect_allowed_fn fn, void *ctx)
{
	struct eg_allowed t;
	int r = 0;

	if (bpf_map_lookup_elem(in->map[PINS_eg_allowed], &cgroup_fd, &t) < 0)
		return errno == ENOENT ? 0 : -errno;
	for (unsigned i = 0; i < EG_LEARNED_SETS; i++)
		for (unsigned k = 0; k < EG_LEARNED_WAYS && r == 0; k++)
			if (t.entry[i][k].time_ns)
				r = fn(ctx, &t.entry[i][k]);
	return r;
}
