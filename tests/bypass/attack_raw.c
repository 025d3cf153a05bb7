/* SPDX-License-Identifier: Apache-2.0 */
/* Raw sockets, whose packets only the gate sees, and ping sockets. */
#include "attack.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <stdint.h>
#include <string.h>

#define NO_PROTOCOL 253 /* for experiments, RFC 3692 */

static const uint8_t udp[12] = { 0, 99, 1, 187, 0, 12, 0, 0, 'd', 'a', 't', 'a' };

static union address no_port(const struct target *t)
{
	union address to = t->to;

	to.v4.sin_port = 0;
	return to;
}

static int raw_send(const struct target *t, int protocol, const void *data, size_t n)
{
	union address to = no_port(t);

	return saw(sendto(make_socket(t->family, SOCK_RAW, protocol), data, n, 0, &to.sa, t->n));
}

static int raw_udp(const struct target *t)
{
	return raw_send(t, IPPROTO_UDP, udp, sizeof(udp));
}

static int raw_connected(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_RAW, NO_PROTOCOL);
	union address to = no_port(t);

	if (connect(fd, &to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, "data", 4, 0));
}

static int raw_tcp_syn(const struct target *t)
{
	static const uint8_t syn[20] = { 0, 99, 1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4 };

	return raw_send(t, IPPROTO_TCP, syn, sizeof(syn));
}

static int raw_icmp(const struct target *t)
{
	uint8_t echo[9] = { ICMP_ECHO, 0, 0, 0, 0, 1, 0, 1, 'x' };

	if (t->family == AF_INET6)
		echo[0] = ICMP6_ECHO_REQUEST;
	return raw_send(t, t->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6, echo,
			sizeof(echo));
}

static size_t header(const struct target *t, uint8_t *packet, const union address *to,
		     uint16_t fragment)
{
	if (t->family == AF_INET) {
		struct iphdr h = { .version = 4,
				   .ihl = 5,
				   .tot_len = htons(20 + sizeof(udp)),
				   .frag_off = htons(fragment),
				   .ttl = 64,
				   .protocol = IPPROTO_UDP,
				   .saddr = t->own.v4.sin_addr.s_addr,
				   .daddr = to->v4.sin_addr.s_addr };

		memcpy(packet, &h, sizeof(h));
		memcpy(packet + sizeof(h), udp, sizeof(udp));
		return sizeof(h) + sizeof(udp);
	}
	struct ip6_hdr h = { .ip6_flow = htonl(6u << 28),
			     .ip6_plen = htons(sizeof(udp)),
			     .ip6_nxt = IPPROTO_UDP,
			     .ip6_hlim = 64,
			     .ip6_src = t->own.v6.sin6_addr,
			     .ip6_dst = to->v6.sin6_addr };
	memcpy(packet, &h, sizeof(h));
	memcpy(packet + sizeof(h), udp, sizeof(udp));
	return sizeof(h) + sizeof(udp);
}

/* A header of the caller's own, routed by the address given to sendto(). */
static int own_header(const struct target *t, const union address *route, uint16_t fragment)
{
	int fd = make_socket(t->family, SOCK_RAW, IPPROTO_RAW), one = 1;
	uint8_t packet[64];
	size_t n = header(t, packet, &t->to, fragment);
	union address to = *route;

	if (setsockopt(fd, t->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		       t->family == AF_INET ? IP_HDRINCL : IPV6_HDRINCL, &one, sizeof(one)) < 0)
		give_up("HDRINCL");
	to.v4.sin_port = 0;
	return saw(sendto(fd, packet, n, 0, &to.sa, t->n));
}

static int raw_header(const struct target *t)
{
	return own_header(t, &t->to, 0);
}

/* The header says another destination than the route was looked up for. */
static int raw_header_differs(const struct target *t)
{
	return own_header(t, &t->free, 0);
}

/* Neither first nor last: no ports in it. */
static int raw_fragment(const struct target *t)
{
	return own_header(t, &t->to, 0x2000 | 100);
}

static int ping(const struct target *t)
{
	uint8_t echo[9] = {
		t->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1, 'x'
	};
	int fd = make_socket(t->family, SOCK_DGRAM,
			     t->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	union address to = no_port(t);

	return saw(sendto(fd, echo, sizeof(echo), 0, &to.sa, t->n));
}

static int ping_connected(const struct target *t)
{
	uint8_t echo[9] = {
		t->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1, 'x'
	};
	int fd = make_socket(t->family, SOCK_DGRAM,
			     t->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	union address to = no_port(t);

	if (connect(fd, &to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, echo, sizeof(echo), 0));
}

const struct attack attacks_raw[] = {
	{ "raw-udp", raw_udp },
	{ "raw-connected", raw_connected },
	{ "raw-tcp-syn", raw_tcp_syn },
	{ "raw-icmp", raw_icmp },
	{ "raw-header", raw_header },
	{ "raw-header-differs", raw_header_differs },
	{ "raw-fragment", raw_fragment },
	{ "ping", ping },
	{ "ping-connected", ping_connected },
	{ NULL, NULL },
};
