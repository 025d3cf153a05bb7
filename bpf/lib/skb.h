/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The byte accessor of packet.h over an skb of a cgroup_skb program. */
#pragma once

/* Assembly keeps each load as it stands: clang merges those of several calls into one through a
 * computed pointer, which the verifier refuses. */
#define SKB_POINTER(skb, field)                                                                    \
	({                                                                                         \
		void *_p;                                                                          \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(_p)                                                            \
			     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, field)));        \
		_p;                                                                                \
	})

/* What stands at a fixed place of the IP header is read where it lies: a call costs more than all
 * that is done with it. */
static __always_inline int skb_load(void *ctx, __u32 offset, void *to, __u32 n)
{
	if (__builtin_constant_p(offset)) {
		void *at = SKB_POINTER(ctx, data), *end = SKB_POINTER(ctx, data_end);

		if (at + offset + n <= end) {
			if (n < 4)
				__builtin_memcpy(to, __builtin_assume_aligned(at + offset, 2), n);
			else
				__builtin_memcpy(to, __builtin_assume_aligned(at + offset, 4), n);
			return 0;
		}
	}
	return bpf_skb_load_bytes(ctx, offset, to, n);
}
