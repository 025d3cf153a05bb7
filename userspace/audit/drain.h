/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of records from slabs into the store: sleeps until a worker wakes it, then stores what is
 * there every commit_ms in one transaction. When the store fails, nothing is released: records wait
 * in the slabs, workers run out of slots and deny, and the transaction is tried again with growing
 * pauses. A damaged database is set aside. Called by recorder.c; never logs.
 */
#pragma once

#include "audit/slab.h"
#include "audit/store.h"
#include "event/loop.h"

struct drain;

struct drain_opts {
	unsigned commit_ms;
	void (*on_stored)(void *ctx); /* rows were committed */
	/* For the operator; also stored as an event. reason: enum eg_reason. */
	void (*on_note)(void *ctx, const struct eg_note *note);
	void (*on_finished)(void *ctx); /* after drain_finish(): all is stored */
	void *ctx;
};

int drain_new(struct loop *l, struct store *s, const struct drain_opts *o,
	      struct drain **ret) _must_check_;
struct drain *drain_free(struct drain *d);
/* Takes the slab of that worker, in place of one it may have; what a dead worker left open in it is
 * closed. -ENOMEM. */
int drain_add(struct drain *d, uint32_t worker, struct slab *slab) _must_check_;
/* That worker died. */
void drain_orphan(struct drain *d, uint32_t worker);
/* Stores an event with the next transaction. While the store fails only the last 1024 are kept. */
void drain_event(struct drain *d, const struct eg_note *n);
/* Tells the operator, and stores it. */
void drain_note(struct drain *d, uint32_t reason, const char *fmt, ...) _printf_(3, 4);
/* What was found at start: a damaged database, set aside at that time; one that cannot be opened
 * for now (-errno). Both are told, and told to be over when something was stored. */
void drain_was_damaged(struct drain *d, uint64_t time_us);
void drain_wait(struct drain *d, int error);
/* Stores everything that is committed now, then calls on_finished (from the loop). */
void drain_finish(struct drain *d);
