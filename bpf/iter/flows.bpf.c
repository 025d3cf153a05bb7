/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lists flow records of clients' live sockets, in every network namespace. An object of its own, so
 * that a kernel that refuses it costs a listing and not enforcement; the loader lends it the
 * eg_cflow of the attached programs.
 */
#include "lib/kernel.h"
#include "lib/maps.h"

SEC("iter/bpf_sk_storage_map")
int eg_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct client *c = ctx->value;
	struct sock *sk = ctx->sk;
	struct eg_flow f;

	if (!sk || !c || sk->__sk_common.skc_state == TCP_CLOSE)
		return 0;
	__builtin_memcpy(&f, &c->flow, sizeof(f));
	bpf_seq_write(ctx->meta->seq, &f, sizeof(f));
	return 0;
}
