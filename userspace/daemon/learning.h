/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel learns from DNS answers to workloads: the governed names of an edition, and the
 * resolvers whose answers are believed: those of /etc/resolv.conf, `resolvers` and `dns.trust`. A
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

/* Replaces the names; adds resolvers (none is taken back before the next start). -errno with d. */
int learning_apply(struct dataplane *dp, const struct config *c, const struct edition *e,
		   struct diag *d) _must_check_;
/* Name servers of a resolv.conf, each handed to fn as text; a file that is missing has none. */
typedef void (*learning_server_fn)(void *ctx, const char *addr);
void learning_read_resolv_conf(const char *file, learning_server_fn fn, void *ctx);
/* "1.2.3.4", "1.2.3.4:5353", "::1" or "[::1]:53" as the hooks see it; false: no address. */
bool learning_parse_server(const char *text, struct eg_addr *ret);
