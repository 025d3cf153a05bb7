/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All connections of a worker: bounded, together and for each cgroup (share.h); when a bound is
 * reached the one that has been idle longest makes room, and if none is idle the new one is turned
 * away.
 */
#pragma once

#include <sys/queue.h>

#include "event/loop.h"

struct conn;
struct share;
struct worker;
TAILQ_HEAD(conn_list, conn);

struct conns {
	struct conn_list idle; /* longest idle first */
	struct conn_list busy;
	struct conn_list dead; /* to be freed at the end of the turn */
	size_t n; /* idle and busy */
	struct later bury;
};

void conns_init(struct conns *cs);
/* Room for one more, made if need be: of all, and of the share of its cgroup. */
bool conns_make_room(struct worker *w);
bool conns_make_room_in(struct worker *w, struct share *s);
/* Ends every idle one (stopping), or every one. */
void conns_close_idle(struct worker *w);
void conns_close_all(struct worker *w);
void conns_add(struct conn *c);
/* It has been closed: freed at the end of the turn. A stopping worker ends with its last one. */
void conns_remove(struct conn *c);
/* Rests between two requests, or no longer. */
void conns_set_idle(struct conn *c, bool idle);
/* Frees the dead now. */
void conns_bury(struct worker *w);
