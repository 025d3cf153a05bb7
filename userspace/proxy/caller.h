/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a connection: the kernel's record, the name asked for in TLS, and the
 * principal once attested. Owned by the connection, read by its exchanges.
 */
#pragma once

#include "base/slice.h"
#include "egret/abi.h"
#include "proto/hello.h"
#include "proxy/attest.h"

struct share;

struct caller {
	struct eg_flow flow;
	struct share *share; /* held: of its cgroup */
	struct attested *who; /* held; of the policy generation it names; NULL: not yet known */
	char host[HELLO_HOST_MAX + 1]; /* lower case */
	size_t host_n;
	uint32_t provider_generation; /* for which `provider` is the answer; 0: for none */
	int provider;
};

static inline struct slice caller_host(const struct caller *c)
{
	return slice_of(c->host, c->host_n);
}
