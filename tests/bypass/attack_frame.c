/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on the device, past the IP stack and every cgroup hook. AF_XDP is tests/lib/xsk.c. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint8_t udp[12] = { 0, 99, 1, 187, 0, 12, 0, 0, 'd', 'a', 't', 'a' };

static uint16_t checksum(const void *header)
{
	const uint16_t *w = header;
	uint32_t sum = 0;

	for (size_t i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static size_t ip_packet(const struct target *t, uint8_t *to)
{
	if (t->family == AF_INET) {
		_Alignas(4) struct iphdr h = { .version = 4,
					       .ihl = 5,
					       .tot_len = htons(20 + sizeof(udp)),
					       .ttl = 64,
					       .protocol = IPPROTO_UDP,
					       .saddr = t->own.v4.sin_addr.s_addr,
					       .daddr = t->to.v4.sin_addr.s_addr };

		h.check = checksum(&h);
		memcpy(to, &h, sizeof(h));
		memcpy(to + sizeof(h), udp, sizeof(udp));
		return sizeof(h) + sizeof(udp);
	}
	struct ip6_hdr h = { .ip6_flow = htonl(6u << 28),
			     .ip6_plen = htons(sizeof(udp)),
			     .ip6_nxt = IPPROTO_UDP,
			     .ip6_hlim = 64,
			     .ip6_src = t->own.v6.sin6_addr,
			     .ip6_dst = t->to.v6.sin6_addr };
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), udp, sizeof(udp));
	/* UDP over IPv6 needs a checksum, but who only counts does not look. */
	return sizeof(h) + sizeof(udp);
}

static uint16_t ethertype(const struct target *t)
{
	return htons(t->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
}

static struct sockaddr_ll link_address(const struct target *t)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = ethertype(t),
				  .sll_ifindex = (int)if_nametoindex(t->device),
				  .sll_halen = 6 };

	for (size_t i = 0; i < 6; i++)
		if (sscanf(t->gateway + 2 * i, "%2hhx", &ll.sll_addr[i]) != 1)
			give_up("gateway");
	return ll;
}

static int packet(const struct target *t, int type, int bypass, const uint8_t *tags, size_t n_tags)
{
	struct sockaddr_ll to = link_address(t), own = { 0 };
	socklen_t own_n = sizeof(own);
	int fd = make_socket(AF_PACKET, type, 0);
	uint8_t frame[160];
	size_t n = 0;

	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &own_n) < 0)
		give_up("bind");
	if (bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof(bypass)) < 0)
		give_up("PACKET_QDISC_BYPASS");
	if (type == SOCK_RAW) {
		uint16_t proto = ethertype(t);

		memcpy(frame, to.sll_addr, 6);
		memcpy(frame + 6, own.sll_addr, 6);
		if (n_tags)
			memcpy(frame + 12, tags, n_tags);
		memcpy(frame + 12 + n_tags, &proto, 2);
		n = 14 + n_tags;
	}
	n += ip_packet(t, frame + n);
	return saw(sendto(fd, frame, n, 0, (struct sockaddr *)&to, sizeof(to)));
}

static int frame_raw(const struct target *t)
{
	return packet(t, SOCK_RAW, 0, NULL, 0);
}

static int frame_dgram(const struct target *t)
{
	return packet(t, SOCK_DGRAM, 0, NULL, 0);
}

static int frame_bypass(const struct target *t)
{
	return packet(t, SOCK_RAW, 1, NULL, 0);
}

static int frame_priority_tag(const struct target *t)
{
	static const uint8_t vlan0[] = { 0x81, 0, 0xe0, 0 }; /* taken for untagged */

	return packet(t, SOCK_RAW, 0, vlan0, sizeof(vlan0));
}

const struct attack attacks_frame[] = {
	{ "frame-raw", frame_raw },
	{ "frame-dgram", frame_dgram },
	{ "frame-qdisc-bypass", frame_bypass },
	{ "frame-priority-tag", frame_priority_tag },
	{ NULL, NULL },
};
