/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Looks for a ClientHello behind other bytes. s2n skips records of any type and version in front of
 * it, so that whatever a client sends first may be one: its first five bytes then say where the
 * next begins. Followed until the server speaks, which none does before it has the hello. Pure;
 * also the proxy's.
 *
 * By the record's type, the message's, and what it claims to be (RFC 8446 4.1.2: length, version),
 * data of other kinds is taken for a hello once in 2^32 records, or 2^28 where it is cut short.
 */
#pragma once

#include "egret/abi.h"

#define chain_inline	   static inline __attribute__((always_inline))

#define CHAIN_HEAD	   5 /* of a record: type, version, length */
#define CHAIN_LOOK	   11 /* and of the hello: type, length, version */
#define CHAIN_HANDSHAKE	   22
#define CHAIN_CLIENT_HELLO 1

struct chain {
	__u32 skip; /* bytes from here to the next record, while n is 0 */
	__u32 n; /* bytes of its beginning that have been seen */
	__u8 look[12];
};

chain_inline __u32 chain_length(const struct chain *c)
{
	return c->look[3] << 8 | c->look[4];
}

/* How many bytes from here need not be looked at. */
chain_inline __u32 chain_run(const struct chain *c)
{
	return c->n ? 0 : c->skip;
}

chain_inline void chain_passed(struct chain *c, __u32 n)
{
	c->skip -= n;
}

/* The next byte, where chain_run() is 0. 1: a hello begins here, or could. */
chain_inline int chain_byte(struct chain *c, __u8 byte)
{
	__u32 length, at = c->n & 15;

	if (at >= CHAIN_LOOK)
		return 1;
	c->look[at] = byte;
	c->n = at + 1;
	if (c->n < CHAIN_HEAD)
		return 0;
	length = chain_length(c);
	if (c->look[0] == CHAIN_HANDSHAKE && length) {
		if (c->n == CHAIN_HEAD)
			return 0;
		if (c->look[CHAIN_HEAD] == CHAIN_CLIENT_HELLO) {
			if (length < CHAIN_LOOK - CHAIN_HEAD)
				return 1;
			if (c->n < CHAIN_LOOK)
				return 0;
			if (c->look[6] == 0 && c->look[9] == 3)
				return 1;
		}
	}
	c->skip = length - (c->n - CHAIN_HEAD);
	c->n = 0;
	return 0;
}
