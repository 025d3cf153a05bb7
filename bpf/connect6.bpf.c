/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* connect() on IPv6: identity is captured, then governed destinations become egret's listener. */
#include "lib/kernel.h"
#include "lib/decide.h"

SEC("cgroup/connect6")
int eg_connect6(struct bpf_sock_addr *ctx)
{
	struct wanted r = {
		.asked = { { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			     ctx->user_ip6[3] } },
		.port = bpf_ntohs((__u16)ctx->user_port),
		.family = AF_INET6,
		.hook = EG_HOOK_CONNECT6,
	};
	int verdict;

	/* A mapped destination leaves as IPv4; the socket may have no IPv6 route at all. */
	r.to_v4 = addr_is_mapped(&r.asked);
	verdict = decide(ctx, &r, 1);
	if (verdict != VERDICT_REDIRECT)
		return verdict;
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = r.to_v4 ? bpf_htonl(0xffff) : 0;
	ctx->user_ip6[3] = r.to_v4 ? bpf_htonl(0x7f000001) : bpf_htonl(1);
	ctx->user_port = bpf_htons(EG_PROXY_PORT);
	return verdict_allow();
}
