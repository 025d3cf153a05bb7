/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the kernel lets through: only the monitor can stamp one, so a few of each family are
 * kept in stock and more are asked for before they run out. Whoever finds it empty waits in line.
 * Called by dial.c and pool.c; waited
 * for by proxy/outlet.c.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "event/loop.h"

#define STOCK_MAX 8u /* of a family; one message's worth */
#define STOCK_LOW 4u /* ask for more when so few are left */

struct stock_shelf;
struct stock_wait;
/* Asks the owner for stamped, non-blocking sockets of a family: each question is answered once,
 * through stock_give(). */
typedef void (*stock_need_fn)(void *ctx, int family, unsigned count);
/* fd >= 0: the callee's; negative errno: none can be had. */
typedef void (*stock_fn)(struct stock_wait *w, int fd);

/* Embedded in the one who waits, zero-initialised. */
struct stock_wait {
	struct stock_wait *next, **at; /* `at` points at what points here */
	struct stock_shelf *shelf; /* NULL: not waiting */
	stock_fn fn;
};

struct stock_shelf {
	int family;
	int fds[STOCK_MAX];
	unsigned n;
	bool asking; /* more are on their way */
	struct stock_wait *first; /* longest waiting */
	struct stock_wait **last; /* where the next to wait is put */
};

struct stock {
	struct stock_shelf shelves[2]; /* AF_INET, AF_INET6 */
	stock_need_fn on_need;
	void *ctx;
	struct later prefill;
};

/* Asks for the first sockets once the loop runs. */
void stock_init(struct stock *s, struct loop *l, stock_need_fn on_need, void *ctx);
/* Closes what is left; waiters are forgotten. */
void stock_done(struct stock *s);
/* A socket now, or -EAGAIN. */
int stock_take(struct stock *s, int family) _must_check_;
/* After -EAGAIN: fn runs when there is one, perhaps before this returns. */
void stock_await(struct stock *s, int family, struct stock_wait *w, stock_fn fn);
void stock_cancel(struct stock_wait *w); /* not waiting: nothing to do */
/* The answer to a question: takes the fds; n = 0: none can be had, whoever waits is told so. */
void stock_give(struct stock *s, int family, const int *fds, unsigned n);
/* Takes back a socket that was not used: its connect() failed before anything was sent. */
void stock_return(struct stock *s, int family, int fd);
