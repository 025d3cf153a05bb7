/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for operators about what ends below HTTP: sent to the monitor, at most one a minute for
 * the same reason and cgroup, so that a client in a loop can't fill the log. What is held back is
 * counted in nothing: the connection counters show it.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/reasons.h"

struct caller;
struct conn;
struct worker;

#define NOTE_SLOTS 256u

struct notes {
	struct {
		uint64_t key, until_us;
	} recent[NOTE_SLOTS]; /* a hash's slot: a collision lets one more through */
};

/* text: what to do; NULL: the reason's own advice. */
void note_conn(struct conn *c, enum eg_reason reason, const char *text);
void note_caller(struct worker *w, const struct caller *caller, enum eg_reason reason,
		 const char *text);
