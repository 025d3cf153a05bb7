/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel learns from DNS answers to workloads: the governed names of an edition, and the
 * resolvers whose answers are believed: those of /etc/resolv.conf, `resolvers` and `dns.trust`
 * (those of workloads' own network namespaces: own_dns.h). A
 * convenience for names with changing addresses; the map of endpoints does not depend on it.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "egret/abi.h"

struct config;
struct dataplane;
struct edition;
struct resolv;

/* Replaces names and resolvers. -errno with d. */
int learning_apply(struct dataplane *dp, const struct config *c, const struct resolv *resolv,
		   const struct edition *e, struct diag *d) _must_check_;
/* "1.2.3.4", "1.2.3.4:5353", "::1" or "[::1]:53" as the hooks see it; false: no address. */
bool learning_parse_server(const char *text, struct eg_addr *ret);
