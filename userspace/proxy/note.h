/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for operators about what ends below HTTP: sent to the monitor, at most one a minute for
 * the same reason, cgroup and host, and a few whatever the host, so that a client in a loop can't
 * fill the log. What is held back is counted in nothing: the connection counters show it.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/reasons.h"

struct caller;
struct conn;
struct worker;

#define NOTE_SLOTS 256u

struct note_slot {
	uint64_t key, until_us;
	unsigned n;
};

/* A hash's slot each: a collision lets one more through. */
struct notes {
	struct note_slot recent[NOTE_SLOTS]; /* of reason, cgroup and host */
	struct note_slot coarse[NOTE_SLOTS]; /* whatever the host */
};

/* text: what to do; NULL: the reason's own advice. */
void note_conn(struct conn *c, enum eg_reason reason, const char *text);
void note_caller(struct worker *w, const struct caller *caller, enum eg_reason reason,
		 const char *text);
