/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a role's channel, by hand: what the monitor or a worker would send, and worse.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "egret/rpc.h"

struct rpc_msg {
	struct eg_msg_header h;
	char body[EG_MSG_MAX];
	int fds[EG_MSG_FDS];
	unsigned n_fds;
};

static inline int rpc_send(int fd, uint16_t type, uint32_t id, const void *head, size_t head_n,
			   const void *tail, size_t tail_n, const int *fds, unsigned n_fds)
{
	struct eg_msg_header h = {
		.type = type, .n_fds = (uint16_t)n_fds, .id = id, .len = (uint32_t)(head_n + tail_n)
	};
	struct iovec iov[3] = { { &h, sizeof(h) },
				{ (void *)(uintptr_t)head, head_n },
				{ (void *)(uintptr_t)tail, tail_n } };
	union {
		char space[CMSG_SPACE(sizeof(int) * EG_MSG_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };

	if (n_fds) {
		struct cmsghdr *c;

		mh.msg_control = control.space;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN || poll(&p, 1, 10000) != 1)
			return -errno;
	}
}

/* The next message within 10 s: 1; 0 when the other side has closed. */
static inline int rpc_recv(int fd, struct rpc_msg *m)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct iovec iov[2] = { { &m->h, sizeof(m->h) }, { m->body, sizeof(m->body) } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	assert_int_equal(poll(&p, 1, 10000), 1);
	n = recvmsg(fd, &mh, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	assert_true(n >= (ssize_t)sizeof(m->h));
	assert_int_equal(m->h.len, (size_t)n - sizeof(m->h));
	return 1;
}

/* Messages up to one of that type; others (notes) are skipped. 0: closed before. */
static inline int rpc_await(int fd, uint16_t type, struct rpc_msg *m)
{
	int r;

	while ((r = rpc_recv(fd, m)) == 1 && m->h.type != type)
		;
	return r;
}
