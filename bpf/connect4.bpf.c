/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* connect() on IPv4: identity is captured, then governed destinations become egret's listener. */
#include "lib/kernel.h"
#include "lib/decide.h"

SEC("cgroup/connect4")
int eg_connect4(struct bpf_sock_addr *ctx)
{
	struct wanted r = {
		.port = bpf_ntohs((__u16)ctx->user_port),
		.family = AF_INET,
		.to_v4 = 1,
		.hook = EG_HOOK_CONNECT4,
	};
	int verdict;

	addr_map4(&r.asked, ctx->user_ip4);
	verdict = decide(ctx, &r, 1);
	if (verdict != VERDICT_REDIRECT)
		return verdict;
	ctx->user_ip4 = bpf_htonl(0x7f000001);
	ctx->user_port = bpf_htons(EG_PROXY_PORT);
	return verdict_allow();
}
