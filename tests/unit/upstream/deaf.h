/* SPDX-License-Identifier: Apache-2.0 */
/* A port of ::1 that drops every SYN, as a broken IPv6 path does: its queue of one is full. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

struct deaf {
	int listener, filler;
	uint16_t port;
};

/* port 0: chosen by the kernel. */
static inline int deaf_listen(uint16_t port, int backlog)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(port),
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static inline struct deaf deaf_start(uint16_t port)
{
	struct deaf d = { .listener = deaf_listen(port, 0),
			  .filler = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct sockaddr_in6 sin6;
	socklen_t n = sizeof(sin6);

	assert_int_equal(getsockname(d.listener, (struct sockaddr *)&sin6, &n), 0);
	assert_int_equal(connect(d.filler, (struct sockaddr *)&sin6, n), 0);
	d.port = ntohs(sin6.sin6_port);
	return d;
}

static inline void deaf_stop(const struct deaf *d)
{
	close(d->filler);
	close(d->listener);
}
