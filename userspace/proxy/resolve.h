/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the monitor's endpoint map fed: one worker resolves every governed name, again and again as
 * its answers age, and reports what it finds. A few names at a time.
 */
#pragma once

#include <stdint.h>

#include "event/loop.h"

struct worker;
struct resolve_name;

struct resolving {
	struct resolve_name *names; /* of the catalogue in force */
	size_t n;
	size_t in_flight;
	struct timer next;
};

/* The catalogue changed: begins anew. Does nothing in workers that don't resolve. */
void resolve_restart(struct worker *w);
void resolve_stop(struct worker *w);
