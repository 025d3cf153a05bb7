/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Unconnected datagrams on IPv6: refused to governed destinations, so that QUIC falls back to TCP.
 */
#include "lib/kernel.h"
#include "lib/decide.h"

SEC("cgroup/sendmsg6")
int eg_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct wanted r = {
		.asked = { { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			     ctx->user_ip6[3] } },
		.port = bpf_ntohs((__u16)ctx->user_port),
		.family = AF_INET6,
		.hook = EG_HOOK_SENDMSG6,
	};

	return decide(ctx, &r, 0);
}
