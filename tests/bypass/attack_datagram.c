/* SPDX-License-Identifier: Apache-2.0 */
/* UDP: connected, not connected, and connected to somebody else. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static int datagram(const struct target *t)
{
	return make_socket(t->family, SOCK_DGRAM, 0);
}

static int datagram_elsewhere(const struct target *t)
{
	int fd = datagram(t);

	if (connect(fd, &t->free.sa, t->n) < 0)
		give_up("connect elsewhere first");
	return fd;
}

static int connected(const struct target *t)
{
	int fd = datagram(t);

	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, "data", 4, 0));
}

/* Whatever connect() said. */
static int connected_anyway(const struct target *t)
{
	int fd = datagram(t);

	(void)connect(fd, &t->to.sa, t->n);
	return saw(send(fd, "data", 4, 0));
}

static int to_address(const struct target *t)
{
	return saw(sendto(datagram(t), "data", 4, 0, &t->to.sa, t->n));
}

static int elsewhere_to_address(const struct target *t)
{
	return saw(sendto(datagram_elsewhere(t), "data", 4, 0, &t->to.sa, t->n));
}

static int empty(const struct target *t)
{
	return saw(sendto(datagram(t), "", 0, 0, &t->to.sa, t->n));
}

/* Says also from which address, through which device. */
static int packet_info(const struct target *t)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = { 0 };
	struct iovec v = { .iov_base = (char[]){ "data" }, .iov_len = 4 };
	union address to = t->to;
	struct msghdr m = { .msg_name = &to,
			    .msg_namelen = t->n,
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control };
	struct in_pktinfo i4 = { .ipi_spec_dst = t->own.v4.sin_addr };
	struct in6_pktinfo i6 = { .ipi6_addr = t->own.v6.sin6_addr };
	size_t n = t->family == AF_INET ? sizeof(i4) : sizeof(i6);
	struct cmsghdr *c;

	m.msg_controllen = CMSG_SPACE(n);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = t->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = t->family == AF_INET ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), t->family == AF_INET ? (void *)&i4 : (void *)&i6, n);
	return saw(sendmsg(datagram_elsewhere(t), &m, 0));
}

static void fill(struct mmsghdr *m, struct iovec *v, union address *to, socklen_t n)
{
	*m = (struct mmsghdr){
		.msg_hdr = { .msg_name = to, .msg_namelen = n, .msg_iov = v, .msg_iovlen = 1 }
	};
}

static int many(const struct target *t)
{
	struct iovec v = { .iov_base = (char[]){ "data" }, .iov_len = 4 };
	union address to = t->to;
	struct mmsghdr m[3];

	for (size_t i = 0; i < 3; i++)
		fill(&m[i], &v, &to, t->n);
	return saw(sendmmsg(datagram(t), m, 3, 0));
}

/* The first is innocent; what happens to the others is seen by another call only. */
static int many_mixed(const struct target *t)
{
	struct iovec v = { .iov_base = (char[]){ "data" }, .iov_len = 4 };
	union address to = t->to, free_to = t->free;
	struct mmsghdr m[3];
	int fd = datagram(t), r;

	fill(&m[0], &v, &free_to, t->n);
	fill(&m[1], &v, &to, t->n);
	fill(&m[2], &v, &to, t->n);
	r = sendmmsg(fd, m, 3, 0);
	return r == 1 ? saw(sendmmsg(fd, m + 1, 2, 0)) : saw(r);
}

static int reconnect(const struct target *t)
{
	struct sockaddr_in6 none = { .sin6_family = AF_UNSPEC };
	int fd = datagram_elsewhere(t);

	if (connect(fd, (struct sockaddr *)&none, sizeof(none)) < 0)
		give_up("connect to nothing");
	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, "data", 4, 0));
}

/* Corked: the address of the second call. The kernel takes that of the first. */
static int corked_second(const struct target *t)
{
	int fd = datagram(t);

	if (sendto(fd, "first", 5, MSG_MORE, &t->free.sa, t->n) < 0)
		give_up("cork");
	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

static int corked(const struct target *t)
{
	int fd = datagram(t);

	if (sendto(fd, "first", 5, MSG_MORE, &t->to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, "data", 4, 0));
}

static int segmented(const struct target *t)
{
	int fd = datagram(t), size = 100;
	char data[1000] = { 0 };

	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
		give_up("UDP_SEGMENT");
	return saw(sendto(fd, data, sizeof(data), 0, &t->to.sa, t->n));
}

static int large(const struct target *t)
{
	static char data[9000];

	return saw(sendto(datagram(t), data, sizeof(data), 0, &t->to.sa, t->n));
}

static int zerocopy(const struct target *t)
{
	int fd = datagram(t), one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) < 0)
		give_up("SO_ZEROCOPY");
	return saw(sendto(fd, "data", 4, MSG_ZEROCOPY, &t->to.sa, t->n));
}

/* AF_UNSPEC is AF_INET to the kernel here. */
static int no_family(const struct target *t)
{
	union address to = t->to;

	to.sa.sa_family = AF_UNSPEC;
	return saw(sendto(datagram(t), "data", 4, 0, &to.sa, t->n));
}

/* An IPv4 address given to an IPv6 socket. */
static int other_family(const struct target *t)
{
	int fd = make_socket(AF_INET6, SOCK_DGRAM, 0);

	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

static int other_family_connected(const struct target *t)
{
	int fd = make_socket(AF_INET6, SOCK_DGRAM, 0);

	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, "data", 4, 0));
}

static int bound_device(const struct target *t)
{
	int fd = datagram(t);

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, t->device, (socklen_t)strlen(t->device)))
		give_up("SO_BINDTODEVICE");
	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

static int to_dns_port(const struct target *t)
{
	union address to = t->to;

	to.v4.sin_port = htons(53);
	return saw(sendto(datagram(t), "data", 4, 0, &to.sa, t->n));
}

/* From a pipe, without a send call of its own. */
static int spliced(const struct target *t)
{
	int fd = datagram(t), p[2];

	if (pipe(p) < 0 || write(p[1], "data", 4) != 4)
		give_up("pipe");
	(void)connect(fd, &t->to.sa, t->n);
	return saw(splice(p[0], NULL, fd, NULL, 4, 0));
}

/* Made an IPv4 socket of, after it was connected as an IPv6 one. */
static int changed_family(const struct target *t)
{
	int fd = datagram_elsewhere(t), family = AF_INET;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = t->to.v6.sin6_port };

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof(family)) < 0)
		give_up("IPV6_ADDRFORM");
	memcpy(&to.sin_addr, t->to.v6.sin6_addr.s6_addr + 12, sizeof(to.sin_addr));
	return saw(sendto(fd, "data", 4, 0, (struct sockaddr *)&to, sizeof(to)));
}

const struct attack attacks_datagram[] = {
	{ "udp-connected", connected },
	{ "udp-connected-anyway", connected_anyway },
	{ "udp-sendto", to_address },
	{ "udp-connected-elsewhere", elsewhere_to_address },
	{ "udp-empty", empty },
	{ "udp-pktinfo", packet_info },
	{ "udp-sendmmsg", many },
	{ "udp-sendmmsg-mixed", many_mixed },
	{ "udp-reconnect", reconnect },
	{ "udp-corked", corked },
	{ "udp-corked-second", corked_second },
	{ "udp-segmented", segmented },
	{ "udp-large", large },
	{ "udp-zerocopy", zerocopy },
	{ "udp-no-family", no_family },
	{ "udp4-on-udp6", other_family },
	{ "udp4-on-udp6-connected", other_family_connected },
	{ "udp-bound-device", bound_device },
	{ "udp-dns-port", to_dns_port },
	{ "udp-spliced", spliced },
	{ "udp-changed-family", changed_family },
	{ NULL, NULL },
};
