/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the endpoint trie: see endpoint.h. Shares bpf/lib/addr.h with the hooks, so that what is
 * written and what is looked up cannot differ. */
#include "dataplane/endpoint.h"

#include <arpa/inet.h>
#include <stdbool.h>

#include "../../bpf/lib/addr.h"

static uint32_t word_mask(unsigned prefix, unsigned word)
{
	if (prefix >= 32 * (word + 1))
		return 0xffffffff;
	if (prefix <= 32 * word)
		return 0;
	return 0xffffffffu << (32 * (word + 1) - prefix);
}

/* Is one of the two prefixes inside the other? */
static bool is_overlapping(const struct eg_endpoint_key *a, const struct eg_endpoint_key *b)
{
	unsigned shorter = a->prefix_len < b->prefix_len ? a->prefix_len : b->prefix_len;

	for (unsigned i = 0; i < 4; i++)
		if ((ntohl(a->addr.a[i]) ^ ntohl(b->addr.a[i])) & word_mask(shorter, i))
			return false;
	return true;
}

static bool is_forbidden(const struct eg_endpoint_key *key)
{
#define ADDR(a, b, c, d)                                                                           \
	{                                                                                          \
		{                                                                                  \
			htonl(a), htonl(b), htonl(c), htonl(d)                                     \
		}                                                                                  \
	}
	const struct eg_endpoint_key forbidden[] = {
		{ 127, ADDR(0, 0, 0, 0) }, /* ::, ::1 */
		{ 10, ADDR(0xfe800000, 0, 0, 0) }, /* fe80::/10 */
		{ 8, ADDR(0xff000000, 0, 0, 0) }, /* ff00::/8 */
		{ 104, ADDR(0, 0, 0xffff, 0) }, /* 0.0.0.0/8 */
		{ 104, ADDR(0, 0, 0xffff, 0x7f000000) }, /* 127.0.0.0/8 */
		{ 112, ADDR(0, 0, 0xffff, 0xa9fe0000) }, /* 169.254.0.0/16 */
		{ 99, ADDR(0, 0, 0xffff, 0xe0000000) }, /* 224.0.0.0/3, with 255.255.255.255 */
	};
#undef ADDR

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		if (is_overlapping(key, &forbidden[i]))
			return true;
	return false;
}

bool endpoint_covers(const struct eg_endpoint_key *out, const struct eg_endpoint_key *in)
{
	return out->prefix_len <= in->prefix_len && is_overlapping(out, in);
}

int endpoint_form(const struct eg_endpoint_key *in, const struct eg_addr *nat64,
		  unsigned nat64_bits, struct eg_endpoint_key *ret)
{
	struct eg_endpoint_key key = *in;

	if (key.prefix_len > 128)
		return -EINVAL;
	/* Only a whole address: a prefix of a translator's range is no range of IPv4 addresses. */
	if (key.prefix_len == 128)
		(void)addr_unembed(&key.addr, nat64, nat64_bits);
	for (unsigned i = 0; i < 4; i++)
		key.addr.a[i] &= htonl(word_mask(key.prefix_len, i));
	*ret = key;
	return 0;
}

int endpoint_key(const struct eg_endpoint_key *in, const struct eg_addr *nat64, unsigned nat64_bits,
		 struct eg_endpoint_key *ret)
{
	struct eg_endpoint_key key;
	int r;

	r = endpoint_form(in, nat64, nat64_bits, &key);
	if (r < 0)
		return r;
	if (is_forbidden(&key))
		return -EADDRNOTAVAIL;
	*ret = key;
	return 0;
}
