/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name servers of the host's resolv.conf, as they are now: the file is watched, and a new list
 * is told at once. A file that is gone, or names nobody, changes nothing but a warning: whoever
 * writes it is not done, or has broken it. The kernel believes these servers (learning.h), workers
 * ask them unless others are configured (wiring.c).
 */
#pragma once

#include "base/cleanup.h"
#include "egret/rpc.h"

struct loop;
struct resolv;
struct warnings;

#define RESOLV_CONF "/etc/resolv.conf"

struct resolv_opts {
	struct loop *loop;
	const char *file;
	struct warnings *warnings;
	void (*on_change)(void *ctx); /* the list is another; from the loop */
	void *ctx;
};

int resolv_new(const struct resolv_opts *o, struct resolv **ret) _must_check_;
struct resolv *resolv_free(struct resolv *r);
/* Now, without waiting for an event. */
void resolv_look(struct resolv *r);
typedef void (*resolv_fn)(void *ctx, const struct eg_addr *addr);
void resolv_each(const struct resolv *r, resolv_fn fn, void *ctx);
/* Those that a worker can ask, as many as fit: not link-local ones, whose device it does not know.
 */
void resolv_servers(const struct resolv *r, struct eg_resolvers *ret);
