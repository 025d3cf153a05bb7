/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A host name as the tries of names want it, and whether a rule stands for it: from DNS answers and
 * from server names alike. Pure: no helper, also compiled natively. It lives in a map value: the
 * verifier then forgets it between the rounds of a loop.
 */
#pragma once

#include "lib/addr.h"

#define NAME_MAX_BYTES 252 /* of ".api.openai.com": a key of the trie holds no more */

/* An index below a power of two, in one register that the verifier can follow: clang 14 otherwise
 * checks one copy and uses another. */
#ifdef __bpf__
#define NAME_INDEX(i, size)                                                                        \
	({                                                                                         \
		__u64 _i = (i);                                                                    \
		asm volatile("%0 &= %1" : "+r"(_i) : "i"((size)-1));                               \
		_i;                                                                                \
	})
#else
#define NAME_INDEX(i, size) ((__u64)(i) & ((size)-1))
#endif

struct name {
	__u32 n;
	union {
		__u8 s[512]; /* ".api.openai.com": lower case, a dot before each label */
		__u64 word[512 / 8];
	};
	union { /* the same name for two tries: one key's list is the other's length */
		struct {
			__u32 unused;
			struct eg_name_key key;
		};
		struct eg_allow_name_key listed;
	};
};
_Static_assert(__builtin_offsetof(struct name, key.s) == __builtin_offsetof(struct name, listed.s),
	       "both keys hold the name at one place");

addr_inline void name_begin(struct name *m)
{
	m->n = 0;
	for (__u32 i = 0; i < EG_NAME_PREFIX_BYTES / 8; i++)
		m->word[i] = 0;
	__builtin_memset(m->key.s, 0, sizeof(m->key.s));
}

addr_inline __u8 name_lower(__u8 b)
{
	return b >= 'A' && b <= 'Z' ? b | 0x20 : b;
}

/* Byte i of the key: the name backwards. A round of a loop: 0 goes on, 1 ends it. */
addr_inline long name_key_byte(struct name *m, __u32 i)
{
	__u64 to;

	if (i >= m->n)
		return 1;
	to = NAME_INDEX(m->n - 1 - i, 256);
	if (to < EG_NAME_BYTES)
		m->key.s[to] = m->s[NAME_INDEX(i, sizeof(m->s))];
	return 0;
}

/* Whether it is one of those that a rule found by its key stands for. Bytes behind a short name are
 * zeroed by name_begin(), so that a longer prefix does not match. */
addr_inline int name_matches(const struct name *m, const struct eg_name *rule)
{
	if (rule->exact)
		return m->n == rule->name_n;
	if (rule->n_prefixes == 0)
		return 1;
	for (__u32 i = 0; i < EG_NAME_PREFIXES; i++) {
		const struct eg_name_prefix *p = &rule->prefix[i];
		__u64 differs = 0;

		for (__u32 k = 0; k < EG_NAME_PREFIX_BYTES / 8; k++)
			differs |= (m->word[k] ^ p->want[k]) & p->mask[k];
		if (i < rule->n_prefixes && !differs)
			return 1;
	}
	return 0;
}
