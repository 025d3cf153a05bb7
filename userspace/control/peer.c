/* SPDX-License-Identifier: Apache-2.0 */
#include "control/peer.h"

#include <sys/socket.h>

/* Debian 12's headers have SO_PEERGROUPS but not this one. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int read_groups(int fd, gid_t **ret, size_t *ret_n)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t n = 0;

	/* An empty buffer asks how many there are; no groups at all is plain success. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &n) < 0 && errno != ERANGE)
		return -errno;
	if (n > 0) {
		groups = malloc(n);
		if (!groups)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
			return -errno;
	}
	*ret_n = n / sizeof(gid_t);
	*ret = TAKE_PTR(groups);
	return 0;
}

int peer_read(int fd, struct control_peer *ret)
{
	struct ucred c = { 0 };
	socklen_t n = sizeof(c);
	gid_t *groups = NULL;
	size_t n_groups = 0;
	int pidfd = -EBADF, r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
		return -errno;
	r = read_groups(fd, &groups, &n_groups);
	if (r < 0)
		return r;
	n = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) < 0)
		pidfd = -EBADF;
	*ret = (struct control_peer){ .pid = c.pid,
				      .uid = c.uid,
				      .gid = c.gid,
				      .groups = groups,
				      .n_groups = n_groups,
				      .pidfd = pidfd };
	return 0;
}

void peer_clear(struct control_peer *p)
{
	free((gid_t *)(uintptr_t)p->groups);
	cleanup_close(&p->pidfd);
	*p = (struct control_peer){ .uid = (uid_t)-1, .gid = (gid_t)-1, .pidfd = -EBADF };
}

bool peer_is_in_group(const struct control_peer *p, gid_t group)
{
	if (p->gid == group)
		return true;
	for (size_t i = 0; i < p->n_groups; i++)
		if (p->groups[i] == group)
			return true;
	return false;
}
