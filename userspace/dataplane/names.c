/* SPDX-License-Identifier: Apache-2.0 */
/* What eg_ingress learns from DNS: names, resolvers; and what it has learned, by cgroup. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/inspect.h"
#include "dataplane/name.h"
#include "dataplane/state.h"

struct entry {
	struct eg_name_key key;
	struct eg_name rule;
};

static struct entry *find(struct entry *p, size_t n, const struct eg_name_key *key)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&p[i].key, key, sizeof(*key)) == 0)
			return &p[i];
	return NULL;
}

/* Patterns as entries, those of one key merged. */
static int compile(const struct dataplane_name *names, size_t n, struct entry *p, size_t *ret_n,
		   struct diag *d)
{
	struct entry e, *same;
	size_t used = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		r = name_rule(names[i].pattern, names[i].provider, &e.key, &e.rule);
		if (r < 0) {
			(void)diag_at(d, 0, 0,
				      "cannot learn addresses of \"" SLICE_FMT
				      "\": it is not a host name or pattern",
				      SLICE_ARG(names[i].pattern));
			return r;
		}
		same = find(p, used, &e.key);
		if (same)
			name_merge(&same->rule, &e.rule);
		else
			p[used++] = e;
	}
	*ret_n = used;
	return 0;
}

/* Removes keys that are not among p. */
static int remove_others(int fd, struct entry *p, size_t n)
{
	struct eg_name_key key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &key) == 0;

	while (more) {
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!find(p, n, &key) && bpf_map_delete_elem(fd, &key) < 0 && errno != ENOENT)
			return -errno;
		key = next;
	}
	return 0;
}

int dataplane_names_set(struct dataplane *dp, const struct dataplane_name *names, size_t n,
			struct diag *d)
{
	_cleanup_free_ struct entry *p = calloc(n + 1, sizeof(*p));
	int fd = dp->in.map[PINS_eg_name], r;
	size_t used = 0;

	if (!p)
		return -ENOMEM;
	r = compile(names, n, p, &used, d);
	for (size_t i = 0; i < used && r == 0; i++)
		if (bpf_map_update_elem(fd, &p[i].key, &p[i].rule, BPF_ANY) < 0)
			r = -errno;
	if (r == 0)
		r = remove_others(fd, p, used);
	if (r < 0 && r != -EINVAL)
		(void)diag_at(d, 0, 0, "cannot write names to learn to the kernel: %s",
			      strerror(-r));
	return r;
}

static bool is_loopback(const struct eg_addr *a)
{
	if (a->a[0] == 0 && a->a[1] == 0 && a->a[2] == htonl(0xffff))
		return (ntohl(a->a[3]) >> 24) == 127;
	return a->a[0] == 0 && a->a[1] == 0 && a->a[2] == 0 && ntohl(a->a[3]) == 1;
}

static int own_netns(uint64_t *ret_cookie)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : dataplane_socket_netns(fd, ret_cookie);
}

int dataplane_resolver_set(struct dataplane *dp, const struct eg_addr *addr)
{
	uint64_t where = 0;
	int r = is_loopback(addr) ? own_netns(&where) : 0;

	if (r < 0)
		return r;
	return bpf_map_update_elem(dp->in.map[PINS_eg_resolver], addr, &where, BPF_ANY) < 0 ? -errno
											    : 0;
}

static bool is_among(const struct eg_addr *addrs, size_t n, const struct eg_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&addrs[i], a, sizeof(*a)) == 0)
			return true;
	return false;
}

int dataplane_resolvers_set(struct dataplane *dp, const struct eg_addr *addrs, size_t n)
{
	int fd = dp->in.map[PINS_eg_resolver], r = 0;
	struct eg_addr key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &key) == 0;

	while (more) {
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!is_among(addrs, n, &key) && bpf_map_delete_elem(fd, &key) < 0 &&
		    errno != ENOENT)
			return -errno;
		key = next;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = dataplane_resolver_set(dp, &addrs[i]);
	return r;
}

int inspect_learned(const struct inspect *in, int cgroup_fd, inspect_learned_fn fn, void *ctx)
{
	struct eg_learned t;
	int r = 0;

	if (bpf_map_lookup_elem(in->map[PINS_eg_learned], &cgroup_fd, &t) < 0)
		return errno == ENOENT ? 0 : -errno;
	for (unsigned i = 0; i < EG_LEARNED_SETS; i++)
		for (unsigned k = 0; k < EG_LEARNED_WAYS && r == 0; k++)
			if (t.entry[i][k].time_ns)
				r = fn(ctx, &t.entry[i][k]);
	return r;
}
