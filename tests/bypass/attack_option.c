/* SPDX-License-Identifier: Apache-2.0 */
/* TCP with an option that changes where a connection comes from, or how it comes to be. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define FOREIGN4 "192.0.2.77" /* of nobody */
#define FOREIGN6 "2001:db8:77::1"

static int with(const struct target *t, int level, int option, const void *value, socklen_t n)
{
	int fd = make_socket(t->family, SOCK_STREAM, 0);

	if (setsockopt(fd, level, option, value, n) < 0)
		give_up("setsockopt");
	return fd;
}

static int with_number(const struct target *t, int level, int option, int value)
{
	return with(t, level, option, &value, sizeof(value));
}

static int bound(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_STREAM, 0);

	if (bind(fd, &t->own.sa, t->n) < 0)
		give_up("bind");
	return talk(fd, t);
}

static int mark(const struct target *t)
{
	return talk(with_number(t, SOL_SOCKET, SO_MARK, 0xe9e7), t);
}

static int priority(const struct target *t)
{
	return talk(with_number(t, SOL_SOCKET, SO_PRIORITY, 6), t);
}

static int bound_device(const struct target *t)
{
	return talk(with(t, SOL_SOCKET, SO_BINDTODEVICE, t->device, (socklen_t)strlen(t->device)),
		    t);
}

/* Bound to an address of nobody; the answer goes astray, so the first packet is all there is. */
static int foreign(const struct target *t, int option4, int option6)
{
	int fd = with_number(t, t->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
			     t->family == AF_INET ? option4 : option6, 1);
	union address from = t->own;

	if (t->family == AF_INET)
		(void)inet_pton(AF_INET, FOREIGN4, &from.v4.sin_addr);
	else
		(void)inet_pton(AF_INET6, FOREIGN6, &from.v6.sin6_addr);
	if (bind(fd, &from.sa, t->n) < 0)
		give_up("bind to a foreign address");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		give_up("O_NONBLOCK");
	return connect(fd, &t->to.sa, t->n) < 0 && errno != EINPROGRESS ? -errno : 0;
}

static int transparent(const struct target *t)
{
	return foreign(t, IP_TRANSPARENT, IPV6_TRANSPARENT);
}

static int freebind(const struct target *t)
{
	return foreign(t, IP_FREEBIND, IPV6_FREEBIND);
}

/* "Connected" without a handshake: the first packet has data. */
static int repair(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_STREAM, 0), on = 1, off = 0;
	union address own = t->own;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return -errno;
	own.v4.sin_port = htons(40123);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, &own.sa, t->n) < 0)
		give_up("bind");
	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		give_up("end of TCP_REPAIR");
	return saw(send(fd, "data", 4, MSG_NOSIGNAL));
}

static int flow_label(const struct target *t)
{
	union address to = t->to;
	int fd;

	if (t->family != AF_INET6)
		give_up("IPv6 only");
	to.v6.sin6_flowinfo = htonl(0x12345);
	fd = make_socket(AF_INET6, SOCK_STREAM, 0);
	return talk_on(fd, connect(fd, &to.sa, t->n));
}

/* The scope of an address that has none. */
static int scope(const struct target *t)
{
	union address to = t->to;
	int fd;

	if (t->family != AF_INET6)
		give_up("IPv6 only");
	to.v6.sin6_scope_id = 12345;
	fd = make_socket(AF_INET6, SOCK_STREAM, 0);
	return talk_on(fd, connect(fd, &to.sa, t->n));
}

/* Bytes beyond the address that the kernel reads, too. */
static int long_address(const struct target *t)
{
	struct sockaddr_storage to = { 0 };
	int fd = make_socket(t->family, SOCK_STREAM, 0);

	memset(&to, 0xff, sizeof(to));
	memcpy(&to, &t->to, t->n);
	return talk_on(fd, connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

const struct attack attacks_option[] = {
	{ "tcp-bound", bound },
	{ "tcp-mark", mark },
	{ "tcp-priority", priority },
	{ "tcp-bound-device", bound_device },
	{ "tcp-transparent", transparent },
	{ "tcp-freebind", freebind },
	{ "tcp-repair", repair },
	{ "tcp-flow-label", flow_label },
	{ "tcp-scope", scope },
	{ "tcp-long-address", long_address },
	{ NULL, NULL },
};
