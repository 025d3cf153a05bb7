/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket by which a connection that is passed through goes on. It belongs to the network
 * namespace that the client is in: by its routes, with its addresses, under its rules, as if egret
 * were not there, so that to be passed through opens nothing that was closed to the client itself.
 * Those of other namespaces are made one by one by the monitor; nothing is kept that would hold a
 * namespace of others.
 *
 * One exception: the host's side of a namespace's devices lets nothing to governed addresses
 * (daemon/backstop.h). From such a namespace, other names at those are reached from the host's.
 */
#pragma once

#include "egret/abi.h"
#include "upstream/stock.h"

struct outlet;
struct worker;

/* fd >= 0: the callee's, neither bound nor connected; negative errno: none can be had. */
typedef void (*outlet_fn)(struct outlet *o, int fd);

/* Embedded in the one who waits, zero-initialised. */
struct outlet {
	outlet_fn fn;
	struct stock_wait wait;
	struct outlet_call *call; /* the monitor is asked */
};

/* fn runs once, perhaps before this returns. */
void outlet_get(struct outlet *o, struct worker *w, const struct eg_flow *flow, outlet_fn fn);
void outlet_cancel(struct outlet *o); /* not waiting: nothing to do */
