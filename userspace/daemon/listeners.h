/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets that redirected connections arrive at: one a worker and family, made by the
 * monitor and kept by it, so that what waits in a dead worker's queue is served by its successor.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"
#include "event/loop.h"

struct channel;
struct dataplane;
struct listeners;
struct warnings;

struct listeners_opts {
	struct loop *loop;
	struct dataplane *dp;
	struct warnings *warnings;
	unsigned n; /* workers */
	/* IPv6, which could not be had at first, is there now: send it to the workers. */
	void (*on_late)(void *ctx);
	void *ctx;
	const json_t *given; /* as listeners_hand_over() writes it: those there are; or NULL */
};

/* IPv4 must work; IPv6 may be missing here, and is tried again now and then. */
int listeners_new(const struct listeners_opts *o, struct diag *d,
		  struct listeners **ret) _must_check_;
struct listeners *listeners_free(struct listeners *l); /* returns NULL */
json_t *listeners_hand_over(const struct listeners *l); /* NULL: out of memory */
/* Hands worker `index` its own sockets; family 0: of all families. */
int listeners_send(const struct listeners *l, struct channel *ch, unsigned index,
		   int family) _must_check_;
