/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* getpeername() on IPv6: a redirected client sees whom it asked for. Also runs in accept(). */
#include "lib/kernel.h"
#include "lib/addr.h"
#include "lib/verdict.h"

SEC("cgroup/getpeername6")
int eg_getpeername6(struct bpf_sock_addr *ctx)
{
	struct client *c;

	if (bpf_ntohs((__u16)ctx->user_port) != EG_PROXY_PORT)
		return verdict_allow();
	c = bpf_sk_storage_get(&eg_cflow, ctx->sk, 0, 0);
	if (c) {
		ctx->user_ip6[0] = c->asked.a[0];
		ctx->user_ip6[1] = c->asked.a[1];
		ctx->user_ip6[2] = c->asked.a[2];
		ctx->user_ip6[3] = c->asked.a[3];
		ctx->user_port = bpf_htons(c->flow.dport);
	}
	return verdict_allow();
}
