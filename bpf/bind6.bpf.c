/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* bind() on IPv6: the proxy's port belongs to stamped sockets, in every network namespace. */
#include "lib/kernel.h"
#include "lib/bind.h"

SEC("cgroup/bind6")
int eg_bind6(struct bpf_sock_addr *ctx)
{
	return bind_decide(ctx, EG_HOOK_BIND6);
}
