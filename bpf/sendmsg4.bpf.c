/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Unconnected datagrams on IPv4: refused to governed destinations, so that QUIC falls back to TCP.
 */
#include "lib/kernel.h"
#include "lib/decide.h"

SEC("cgroup/sendmsg4")
int eg_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct wanted r = {
		.port = bpf_ntohs((__u16)ctx->user_port),
		.family = AF_INET,
		.hook = EG_HOOK_SENDMSG4,
	};

	/* Not ctx->user_family: AF_UNSPEC is IPv4 here. */
	addr_map4(&r.asked, ctx->user_ip4);
	return decide(ctx, &r, 0);
}
