/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP connection to the first of several addresses that answers: Happy Eyeballs (RFC 8305),
 * the next address tried 250 ms after the one before or as soon as that has failed. Sockets come
 * from the stock. The time for it all is the caller's to limit. Called by call.c.
 */
#pragma once

#include "egret/abi.h"
#include "event/loop.h"
#include "upstream/stock.h"

#define DIAL_ADDRS    16u /* tried at most */
#define DIAL_PARALLEL 4u /* connecting at the same time */

struct dial;
/* fd >= 0: connected, the callee's. Else negative errno of the last address that failed; may run
 * within dial_start() then, and within stock_give(). */
typedef void (*dial_fn)(struct dial *d, int fd);

struct dial_attempt {
	struct dial *dial;
	struct io io;
	int fd; /* -EBADF: free */
	int family;
};

struct dial {
	struct loop *loop;
	struct stock *stock;
	dial_fn fn;
	struct eg_addr addrs[DIAL_ADDRS]; /* in the order to try */
	size_t n, next;
	uint16_t port;
	int error; /* of the address that failed last */
	int family; /* of the connection that was made */
	struct dial_attempt attempts[DIAL_PARALLEL];
	struct stock_wait wait; /* for a socket for addrs[next] */
	struct timer stagger;
};

/* Fills in loop, stock and fn; addrs, n > 0 and port are set before dial_start(). */
void dial_init(struct dial *d, struct loop *l, struct stock *s, dial_fn fn);
void dial_start(struct dial *d);
/* Of a connection to somewhere else: no delay for small writes, and a peer that is dead is noticed
 * within about a minute and a half also where nothing is being sent. */
void dial_set_options(int fd);
/* fn does not run any more. Fine when nothing is under way. */
void dial_stop(struct dial *d);
