/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* getpeername() on IPv4: a redirected client sees whom it asked for. Also runs in accept(). */
#include "lib/kernel.h"
#include "lib/addr.h"
#include "lib/verdict.h"

SEC("cgroup/getpeername4")
int eg_getpeername4(struct bpf_sock_addr *ctx)
{
	struct client *c;

	if (bpf_ntohs((__u16)ctx->user_port) != EG_PROXY_PORT)
		return verdict_allow();
	c = bpf_sk_storage_get(&eg_cflow, ctx->sk, 0, 0);
	if (c && addr_is_mapped(&c->asked)) {
		ctx->user_ip4 = c->asked.a[3];
		ctx->user_port = bpf_htons(c->flow.dport);
	}
	return verdict_allow();
}
