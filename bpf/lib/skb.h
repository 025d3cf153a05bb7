/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The byte accessor of packet.h over an skb. */
#pragma once

static __always_inline int skb_load(void *ctx, __u32 offset, void *to, __u32 n)
{
	return bpf_skb_load_bytes(ctx, offset, to, n);
}
