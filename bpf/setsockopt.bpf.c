/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * setsockopt(): refuses source routes, with which a packet names one address and goes to another.
 * Ancillary data can carry them too: eg_egress sees those on the packet. And TCP_REPAIR, which puts
 * other bytes in place of those that were looked at.
 */
#include "lib/kernel.h"
#include "lib/packet.h"
#include "lib/verdict.h"

/* The option's bytes stand in for a packet's. */
static __always_inline int load_option(void *ctx, __u32 offset, void *to, __u32 n)
{
	struct bpf_sockopt *o = ctx;
	__u8 *at = (__u8 *)o->optval + (offset & 63);

	if (n != 1 || (void *)(at + 1) > o->optval_end)
		return -1;
	*(__u8 *)to = *at;
	return 0;
}

static __always_inline int is_source_route(struct bpf_sockopt *ctx)
{
	if (ctx->level == IPPROTO_IP && ctx->optname == IP_OPTIONS)
		return ctx->optlen > PACKET_OPTIONS_MAX ||
		       (ctx->optlen > 0 && packet_options_odd(load_option, ctx, 0, ctx->optlen));
	if (ctx->level != IPPROTO_IPV6 || ctx->optlen <= 0)
		return 0;
	return ctx->optname == IPV6_RTHDR || ctx->optname == IPV6_2292RTHDR ||
	       ctx->optname == IPV6_2292PKTOPTS;
}

SEC("cgroup/setsockopt")
int eg_setsockopt(struct bpf_sockopt *ctx)
{
	if (is_source_route(ctx) || (ctx->level == IPPROTO_TCP && ctx->optname == TCP_REPAIR))
		return verdict_refuse(EG_HOOK_SETSOCKOPT, EG_REASON_k_sockopt);
	/* We saw only the first page of a longer value: the kernel is to take the caller's own
	 * copy. */
	if (ctx->optlen > 4096)
		ctx->optlen = 0;
	return verdict_allow();
}
