/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/address.h"

#include <arpa/inet.h>
#include <string.h>

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct {
	uint32_t net;
	unsigned bits;
} special4[] = {
	{ IP4(0, 0, 0, 0), 8 }, /* this network */
	{ IP4(10, 0, 0, 0), 8 }, /* private */
	{ IP4(100, 64, 0, 0), 10 }, /* shared, carrier NAT; Alibaba's metadata */
	{ IP4(127, 0, 0, 0), 8 }, /* loopback */
	{ IP4(168, 63, 129, 16), 32 }, /* Azure's host agent and metadata, in public space */
	{ IP4(169, 254, 0, 0), 16 }, /* link-local; metadata of most clouds */
	{ IP4(172, 16, 0, 0), 12 }, /* private */
	{ IP4(192, 0, 0, 0), 24 }, /* IETF assignments; Oracle's metadata */
	{ IP4(192, 0, 2, 0), 24 }, /* documentation */
	{ IP4(192, 88, 99, 0), 24 }, /* 6to4 relays, deprecated */
	{ IP4(192, 168, 0, 0), 16 }, /* private */
	{ IP4(198, 18, 0, 0), 15 }, /* benchmarks */
	{ IP4(198, 51, 100, 0), 24 }, /* documentation */
	{ IP4(203, 0, 113, 0), 24 }, /* documentation */
	{ IP4(224, 0, 0, 0), 3 }, /* multicast, reserved, broadcast */
};

/* Within 2000::/3; everything outside it is special or unassigned: loopback, link-local, unique
 * local (also AWS's and Google's metadata), multicast, discard, local NAT64. */
static const struct {
	uint32_t net[2];
	unsigned bits;
} special6[] = {
	{ { 0x20010000, 0 }, 23 }, /* IETF assignments: Teredo, benchmarks, ORCHID */
	{ { 0x20010db8, 0 }, 32 }, /* documentation */
	{ { 0x3fff0000, 0 }, 20 }, /* documentation, RFC 9637 */
};

bool address_is4(const struct eg_addr *a)
{
	return a->a[0] == 0 && a->a[1] == 0 && a->a[2] == htonl(0xffff);
}

static void map4(uint32_t ip4, struct eg_addr *ret)
{
	*ret = (struct eg_addr){ .a = { 0, 0, htonl(0xffff), htonl(ip4) } };
}

/* The IPv4 address that a translator sends to for this one, if any. */
static bool unembed(const struct eg_addr *a, struct eg_addr *ret)
{
	uint32_t w0 = ntohl(a->a[0]), w1 = ntohl(a->a[1]);

	if (w0 == 0x0064ff9b && w1 == 0 && a->a[2] == 0) /* 64:ff9b::/96, NAT64, RFC 6052 */
		map4(ntohl(a->a[3]), ret);
	else if (w0 >> 16 == 0x2002) /* 6to4, RFC 3056 */
		map4(w0 << 16 | w1 >> 16, ret);
	else
		return false;
	return true;
}

static bool has_prefix(uint32_t word, uint32_t net, unsigned bits)
{
	return bits == 0 || (word ^ net) >> (32 - bits) == 0;
}

static bool covers(const struct address_block *b, const struct eg_addr *a)
{
	unsigned bits = b->bits;

	if (b->is4 != address_is4(a))
		return false;
	for (unsigned i = 0; i < 4 && bits; i++) {
		unsigned here = bits < 32 ? bits : 32;

		if (!has_prefix(ntohl(a->a[i]), ntohl(b->addr.a[i]), here))
			return false;
		bits -= here;
	}
	return true;
}

static bool is_special4(uint32_t ip4)
{
	for (size_t i = 0; i < ARRAY_SIZE(special4); i++)
		if (has_prefix(ip4, special4[i].net, special4[i].bits))
			return true;
	return false;
}

static bool is_special6(const struct eg_addr *a)
{
	uint32_t w0 = ntohl(a->a[0]);

	if (w0 >> 29 != 1)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(special6); i++)
		if (has_prefix(w0, special6[i].net[0], special6[i].bits))
			return true;
	return false;
}

static bool is_allowed(const struct address_policy *p, const struct eg_addr *a)
{
	for (size_t i = 0; i < p->n_allow; i++)
		if (covers(&p->allow[i], a))
			return true;
	return false;
}

bool address_may_dial(const struct address_policy *p, const struct eg_addr *a)
{
	struct eg_addr inner = *a;

	if (unembed(a, &inner) && is_allowed(p, a))
		return true;
	if (is_allowed(p, &inner))
		return true;
	return address_is4(&inner) ? !is_special4(ntohl(inner.a[3])) : !is_special6(&inner);
}

/* A decimal number up to max, nothing around it. */
static int parse_bits(const char *text, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (unsigned)(*text - '0');
		if (v > max)
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int parse_block(const char *cidr, struct address_block *ret)
{
	char text[INET6_ADDRSTRLEN];
	const char *slash = strchr(cidr, '/');
	size_t n = slash ? (size_t)(slash - cidr) : strlen(cidr);
	struct in6_addr ip6;
	struct in_addr ip4;
	unsigned max;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, cidr, n);
	text[n] = '\0';
	*ret = (struct address_block){ .is4 = inet_pton(AF_INET, text, &ip4) == 1 };
	if (ret->is4)
		map4(ntohl(ip4.s_addr), &ret->addr);
	else if (inet_pton(AF_INET6, text, &ip6) == 1)
		memcpy(&ret->addr, &ip6, sizeof(ret->addr));
	else
		return -EINVAL;
	max = ret->is4 ? 32 : 128;
	ret->bits = max;
	if (slash && parse_bits(slash + 1, max, &ret->bits) < 0)
		return -EINVAL;
	ret->bits += ret->is4 ? 96 : 0;
	return 0;
}

int address_policy_init(struct address_policy *p, const char *const *cidrs, size_t n)
{
	*p = (struct address_policy){ .n_allow = n };
	if (n == 0)
		return 0;
	p->allow = calloc(n, sizeof(*p->allow));
	if (!p->allow)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (parse_block(cidrs[i], &p->allow[i]) < 0) {
			address_policy_done(p);
			return -EINVAL;
		}
	}
	return 0;
}

void address_policy_done(struct address_policy *p)
{
	free(p->allow);
	*p = (struct address_policy){ .n_allow = 0 };
}

const char *address_format(const struct eg_addr *a, char *to)
{
	if (address_is4(a))
		return inet_ntop(AF_INET, &a->a[3], to, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, a, to, INET6_ADDRSTRLEN);
}

socklen_t address_sockaddr(const struct eg_addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	*ret = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	if (address_is4(a)) {
		sin.sin_addr.s_addr = a->a[3];
		memcpy(ret, &sin, sizeof(sin));
		return sizeof(sin);
	}
	memcpy(&sin6.sin6_addr, a, sizeof(*a));
	memcpy(ret, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

/* The next address of a family at or after *at; n when there is none. */
static size_t next_of(const struct eg_addr *addrs, size_t n, size_t at, bool is4)
{
	while (at < n && address_is4(&addrs[at]) != is4)
		at++;
	return at;
}

size_t address_order(const struct eg_addr *addrs, size_t n, bool first4, struct eg_addr *ret,
		     size_t max)
{
	size_t at[2] = { next_of(addrs, n, 0, false), next_of(addrs, n, 0, true) };
	bool is4 = first4;
	size_t out = 0;

	while (out < max && (at[0] < n || at[1] < n)) {
		if (at[is4] < n) {
			ret[out++] = addrs[at[is4]];
			at[is4] = next_of(addrs, n, at[is4] + 1, is4);
		}
		is4 = !is4;
	}
	return out;
}
