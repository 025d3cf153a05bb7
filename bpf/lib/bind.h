/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What bind4 and bind6 share. listen() without bind() is caught at connect (decide_listener_ok). */
#pragma once

#include "lib/verdict.h"

static __always_inline int bind_decide(struct bpf_sock_addr *ctx, enum eg_hook hook)
{
	if (bpf_ntohs((__u16)ctx->user_port) != EG_PROXY_PORT || ctx->type != SOCK_STREAM)
		return verdict_allow();
	if (bpf_sk_storage_get(&eg_stamp, ctx->sk, 0, 0))
		return verdict_allow_counted(hook);
	return verdict_refuse(hook, EG_REASON_k_bind_proxy_port);
}
