/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that are older than enforcement, or than the mode of their cgroup. The gate already
 * drops their packets, so that their owners would hang until a timeout: here they are told at once.
 */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/cgroup.h"
#include "dataplane/forbidden.h"
#include "dataplane/netns.h"
#include "dataplane/sockdiag.h"
#include "dataplane/state.h"

struct victims {
	struct dataplane *dp;
	int cgroup_fd; /* of the cgroup2 mount's root, for ids */
	uint64_t attached, root;
	struct forbidden *modes; /* NULL: governed addresses only */
	struct sockdiag_sock *p;
	size_t n, room;
};

static bool is_governed(const struct dataplane *dp, const struct eg_addr *peer)
{
	struct eg_endpoint_key key = { .prefix_len = 128, .addr = *peer };
	struct eg_endpoint value;

	return dataplane_endpoint_key(dp, &key, &key) == 0 &&
	       bpf_map_lookup_elem(dp->in.map[PINS_eg_endpoint], &key, &value) == 0;
}

static bool is_enforced(const struct victims *v, uint64_t cgroup)
{
	bool inside = false;

	if (cgroup == 0 || v->attached == v->root)
		return cgroup != 0;
	/* A cgroup that is gone has no path any more; the gate holds its sockets all the same. */
	return cgroup_id_is_below(v->cgroup_fd, cgroup, v->attached, &inside) == 0 && inside;
}

static int on_sock(void *ctx, const struct sockdiag_sock *sock)
{
	struct victims *v = ctx;

	if (sock->marked || !is_enforced(v, sock->cgroup) ||
	    (!is_governed(v->dp, &sock->peer) && (!v->modes || !forbidden_is(v->modes, sock))))
		return 0;
	if (v->n == v->room) {
		size_t room = v->room ? v->room * 2 : 64;
		void *p = reallocarray(v->p, room, sizeof(*v->p));

		if (!p)
			return -ENOMEM;
		v->p = p;
		v->room = room;
	}
	v->p[v->n++] = *sock;
	return 0;
}

static int on_listener(void *ctx, const struct sockdiag_sock *sock)
{
	struct victims *v = ctx;

	forbidden_note_listener(v->modes, sock);
	return 0;
}

static int sweep_here(struct dataplane *dp, struct victims *v)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE };
	struct sockdiag *s = NULL;
	int destroyed = 0, r;

	r = sockdiag_open(dp->in.map[PINS_eg_stamp], dp->in.map[PINS_eg_open], &s);
	if (r == 0 && v->modes)
		r = sockdiag_list(s, AF_INET, IPPROTO_TCP, SOCKDIAG_LISTENING, on_listener, v);
	if (r == 0 && v->modes)
		r = sockdiag_list(s, AF_INET6, IPPROTO_TCP, SOCKDIAG_LISTENING, on_listener, v);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(protocols) && r == 0; i++) {
		r = sockdiag_list(s, i % 2 ? AF_INET6 : AF_INET, protocols[i / 2],
				  SOCKDIAG_CONNECTED, on_sock, v);
		if (r ==
		    -ENOENT) /* the kernel has no such protocol, so there are no sockets of it */
			r = 0;
	}
	for (size_t i = 0; i < v->n && r == 0; i++) {
		r = sockdiag_destroy(s, &v->p[i]);
		destroyed += r == 0;
		if (r == -ENOENT)
			r = 0;
	}
	(void)sockdiag_close(s);
	return r < 0 ? r : destroyed;
}

static int netns_here(uint64_t *ret_cookie)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : dataplane_socket_netns(fd, ret_cookie);
}

int dataplane_sweep(struct dataplane *dp, int netns_fd, bool by_modes)
{
	_cleanup_close_ int cgroup_fd = -EBADF;
	struct forbidden modes;
	uint64_t netns;
	struct victims v = { .dp = dp };
	int home = -EBADF, r;
	char mount[4096];

	r = cgroup_mount(mount, sizeof(mount));
	if (r == 0)
		r = cgroup_id(mount, &v.root);
	if (r == 0)
		r = cgroup_id(dp->cgroup, &v.attached);
	if (r < 0)
		return r;
	cgroup_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_fd < 0)
		return -errno;
	v.cgroup_fd = cgroup_fd;
	if (netns_fd >= 0)
		r = netns_enter(netns_fd, &home);
	if (r == 0 && by_modes)
		r = netns_here(&netns);
	if (r == 0 && by_modes) {
		forbidden_init(&modes, dp, cgroup_fd, netns, clock_mono_us() * 1000);
		v.modes = &modes;
	}
	if (r == 0)
		r = sweep_here(dp, &v);
	if (home >= 0)
		netns_leave(home);
	if (v.modes)
		forbidden_done(v.modes);
	free(v.p);
	return r;
}
