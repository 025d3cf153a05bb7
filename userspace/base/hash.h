/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FNV-1a, for the buckets of small bounded tables. Not keyed and not cryptographic: whoever uses it
 * bounds the table, so that a chain of collisions stays short.
 */
#pragma once

#include "base/slice.h"

#define HASH_SEED 0xcbf29ce484222325u

static inline uint64_t hash_bytes(uint64_t h, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	/* A separator, so that {"ab", "c"} and {"a", "bc"} differ. */
	return (h ^ 0xff) * 0x100000001b3u;
}
