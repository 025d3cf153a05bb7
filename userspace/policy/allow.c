/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of an allow-list: HOST, *.SUFFIX, ADDRESS or CIDR, then :PORT and /tcp or /udp. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/modes.h"

static bool take_protocol(struct slice *text, uint8_t *ret)
{
	*ret = 0;
	if (slice_has_suffix(*text, SLICE("/tcp")))
		*ret = IPPROTO_TCP;
	else if (slice_has_suffix(*text, SLICE("/udp")))
		*ret = IPPROTO_UDP;
	if (*ret)
		text->n -= 4;
	return *ret != 0;
}

/* 1..max, decimal, no leading zero. */
static bool read_number(struct slice s, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (!s.n || s.n > 5 || (s.p[0] == '0' && s.n > 1))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(s.p[i] - '0');
	}
	*ret = n;
	return n <= max;
}

/* Cuts ":PORT"; an IPv6 address has more colons, and brackets around it when a port follows. */
static bool take_port(struct slice *text, unsigned *ret)
{
	const char *colon = memrchr(text->p, ':', text->n);
	const char *bracket = memrchr(text->p, ']', text->n);

	*ret = 0;
	if (text->n && text->p[0] == '[') {
		if (!bracket)
			return false;
		if (colon < bracket)
			colon = NULL;
		if (colon ? colon != bracket + 1 : bracket + 1 != text->p + text->n)
			return false;
	} else if (colon && memchr(text->p, ':', (size_t)(colon - text->p))) {
		colon = NULL;
	}
	if (colon) {
		struct slice port = slice_of(colon + 1, text->n - (size_t)(colon + 1 - text->p));

		if (!read_number(port, 65535, ret) || *ret == 0)
			return false;
		text->n = (size_t)(colon - text->p);
	}
	if (text->n && text->p[0] == '[')
		*text = slice_of(text->p + 1, text->n - 2);
	return true;
}

/* -1: not an address; -EINVAL: one, with bits behind its prefix. */
static int read_address(struct slice text, struct eg_endpoint_key *ret)
{
	const char *slash = memchr(text.p, '/', text.n);
	struct slice host = slash ? slice_of(text.p, (size_t)(slash - text.p)) : text;
	unsigned bits, max = 128;
	char addr[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (!host.n || host.n >= sizeof(addr))
		return -1;
	(void)slice_copy(host, addr, sizeof(addr));
	if (inet_pton(AF_INET, addr, &v4) == 1) {
		ret->addr = (struct eg_addr){ { 0, 0, htonl(0xffff), v4.s_addr } };
		max = 32;
	} else if (inet_pton(AF_INET6, addr, &ret->addr) != 1) {
		return -1;
	}
	bits = max;
	if (slash && !read_number(slice_of(slash + 1, text.n - host.n - 1), max, &bits))
		return -1;
	ret->prefix_len = bits + (max == 32 ? 96 : 0);
	for (unsigned i = ret->prefix_len; i < 128; i++)
		if (ntohl(ret->addr.a[i / 32]) >> (31 - i % 32) & 1)
			return -EINVAL;
	return 0;
}

static bool is_name(struct slice s)
{
	size_t label = 0, labels = 1;
	bool digits = true;

	if (slice_has_prefix(s, SLICE("*.")))
		s = slice_of(s.p + 2, s.n - 2);
	if (!s.n || s.n > 250)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '.') {
			if (!label)
				return false;
			label = 0;
			labels++;
			digits = true;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') ||
		    ++label > 63)
			return false;
		digits = digits && c >= '0' && c <= '9';
	}
	return label && labels > 1 && !digits;
}

int policy_allow_read(struct slice text, struct policy_allow *ret, const char **why)
{
	struct slice rest = text;
	unsigned port;
	bool has_proto;
	int r;

	*ret = (struct policy_allow){ 0 };
	has_proto = take_protocol(&rest, &ret->proto);
	*why = "a port is 1 to 65535, and an IPv6 address before it stands in brackets";
	if (!take_port(&rest, &port))
		return -EINVAL;
	*why = "/tcp and /udp belong behind a port";
	if (has_proto && !port)
		return -EINVAL;
	ret->port = (uint16_t)port;
	if (port && !has_proto)
		ret->proto = IPPROTO_TCP;
	r = read_address(rest, &ret->addr);
	if (r == 0)
		return 0;
	*why = r == -EINVAL ? "the address has bits behind its prefix"
			    : "it is no address, no CIDR and no lower-case host name with a dot; "
			      "\"*\" stands only for whole labels in front: \"*.example.org\"";
	if (r == -EINVAL || !is_name(rest))
		return -EINVAL;
	ret->name = rest;
	return 0;
}
