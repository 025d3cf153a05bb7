/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control connections the monitor hands over, answered from the store: many at once, a slice of
 * work at a time and only when the loop has nothing else to do, so that no reader holds up the
 * records. Rows are made as a reader takes them; one that takes none for 10 seconds, or says
 * anything, is dropped. Called by recorder.c.
 */
#pragma once

#include "audit/store.h"
#include "base/slice.h"
#include "event/loop.h"

#define ANSWERS_MAX	 128u
#define ANSWERS_STALL_US (10ull * 1000000)

struct answers;

int answers_new(struct loop *l, struct store *s, struct answers **ret) _must_check_;
/* Ends every connection; returns NULL. */
struct answers *answers_free(struct answers *a);
/* Takes fd. request: its JSON text. What goes wrong is told to the reader. */
void answers_add(struct answers *a, int fd, struct slice request);
/* Rows have been stored: watches go on. */
void answers_wake(struct answers *a);
