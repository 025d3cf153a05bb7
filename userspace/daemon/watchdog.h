/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks every worker now and then how it is. One that lives but does not answer serves nobody, and
 * its share of the connections waits in its queue: it is killed, and its successor takes them over.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct children;
struct loop;
struct watchdog;

/* Asks every `every_us`; an answer may take patience_us. The children must outlive it. */
int watchdog_new(struct loop *l, struct children *c, uint64_t every_us, uint64_t patience_us,
		 struct watchdog **ret) _must_check_;
/* After children_free(), whose channels call back here. Returns NULL. */
struct watchdog *watchdog_free(struct watchdog *w);
