/* SPDX-License-Identifier: Apache-2.0 */
/* egret's own sockets: stamped, so that the hooks let them pass; listeners in any netns. */
#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dataplane/cgroup.h"
#include "dataplane/netns.h"
#include "dataplane/state.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static int stamp(struct dataplane *dp, int sock_fd, uint64_t value)
{
	if (bpf_map_update_elem(dp->in.map[PINS_eg_stamp], &sock_fd, &value, BPF_ANY) < 0)
		return -errno;
	return 0;
}

int dataplane_stamp(struct dataplane *dp, int sock_fd)
{
	return stamp(dp, sock_fd, EG_STAMP_OWN);
}

static int socket_here(struct dataplane *dp, int family, uint64_t value, int *ret_fd)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	r = stamp(dp, fd, value);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int dataplane_socket(struct dataplane *dp, int netns_fd, int family, int *ret_fd)
{
	int home, r;

	if (netns_fd < 0)
		return socket_here(dp, family, EG_STAMP_OWN, ret_fd);
	r = netns_enter(netns_fd, &home);
	if (r < 0)
		return r;
	r = socket_here(dp, family, EG_STAMP_LENT, ret_fd);
	netns_leave(home);
	return r;
}

int dataplane_flow_fd(struct dataplane *dp, int *ret_fd)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts, .open_flags = BPF_F_RDONLY);
	struct bpf_map_info info = { 0 };
	uint32_t n = sizeof(info);
	int fd;

	if (bpf_obj_get_info_by_fd(dp->in.map[PINS_eg_aflow], &info, &n) < 0)
		return -errno;
	fd = bpf_map_get_fd_by_id_opts(info.id, &opts);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int listen_one(struct dataplane *dp, int family, int *ret_fd)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
				   .sin_port = htons(EG_PROXY_PORT),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(EG_PROXY_PORT),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool is4 = family == AF_INET;
	const struct sockaddr *to = is4 ? (const void *)&in4 : (const void *)&in6;
	_cleanup_close_ int fd = -EBADF;
	int one = 1, r;

	r = socket_here(dp, family, EG_STAMP_OWN, &fd);
	if (r < 0)
		return r;
	/* SO_REUSEADDR: connections of an earlier daemon in TIME_WAIT hold the port otherwise. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    (!is4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    bind(fd, to, is4 ? sizeof(in4) : sizeof(in6)) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int listen_here(struct dataplane *dp, int family, unsigned n, int *ret_fds)
{
	unsigned done = 0;
	int r = 0;

	while (done < n && r == 0) {
		r = listen_one(dp, family, &ret_fds[done]);
		done += r == 0;
	}
	while (r < 0 && done > 0)
		cleanup_close(&ret_fds[--done]);
	return r;
}

int dataplane_listen(struct dataplane *dp, int netns_fd, int family, unsigned n, int *ret_fds,
		     uint64_t *ret_netns)
{
	bool inside = false, is_up = false;
	int home = -EBADF, r;

	if ((family != AF_INET && family != AF_INET6) || n == 0)
		return -EINVAL;
	r = cgroup_contains_self(dp->cgroup, &inside);
	if (r < 0 || !inside)
		return r < 0 ? r : -EXDEV;
	if (netns_fd >= 0) {
		r = netns_enter(netns_fd, &home);
		if (r < 0)
			return r;
	}
	r = listen_here(dp, family, n, ret_fds);
	if (home >= 0)
		netns_leave(home);
	if (r == 0)
		r = dataplane_socket_netns(ret_fds[0], ret_netns);
	if (r < 0 || dataplane_loopback_up(ret_fds[0], &is_up) < 0 || !is_up)
		return r;
	return dataplane_netns_note(dp, *ret_netns);
}

int dataplane_netns_note(struct dataplane *dp, uint64_t cookie)
{
	uint64_t one = 1;

	return bpf_map_update_elem(dp->in.map[PINS_eg_netns], &cookie, &one, BPF_ANY) < 0 ? -errno
											  : 0;
}

void dataplane_netns_forget(struct dataplane *dp, uint64_t cookie)
{
	(void)bpf_map_delete_elem(dp->in.map[PINS_eg_netns], &cookie);
}

int dataplane_netns_forget_all(struct dataplane *dp)
{
	int fd = dp->in.map[PINS_eg_netns];
	uint64_t cookie;

	while (bpf_map_get_next_key(fd, NULL, &cookie) == 0)
		if (bpf_map_delete_elem(fd, &cookie) < 0)
			return -errno;
	return 0;
}

int dataplane_socket_netns(int sock_fd, uint64_t *ret_cookie)
{
	uint64_t cookie;
	socklen_t n = sizeof(cookie);

	if (getsockopt(sock_fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &n) < 0)
		return -errno;
	*ret_cookie = cookie;
	return 0;
}

int dataplane_loopback_up(int sock_fd, bool *ret)
{
	struct ifreq r = { .ifr_name = "lo" };

	if (ioctl(sock_fd, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	*ret = r.ifr_flags & IFF_UP;
	return 0;
}

int dataplane_netns_cookie(int netns_fd, uint64_t *ret_cookie)
{
	_cleanup_close_ int fd = -EBADF;
	int home = -EBADF, r;

	r = netns_enter(netns_fd, &home);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : 0;
	netns_leave(home);
	return r < 0 ? r : dataplane_socket_netns(fd, ret_cookie);
}
