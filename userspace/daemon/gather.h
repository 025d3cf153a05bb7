/* SPDX-License-Identifier: Apache-2.0 */
/* Asks every worker for its numbers and connections, and hands over what came. A worker that does
 * not answer in time is left out: one that hangs must not make the others invisible. */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "control/server.h"
#include "daemon/monitor.h"

struct gather;

/* stats[i]: of children_at(i), or NULL. rows: each with the member "worker" (its index), and with
 * "draining" if an upgrade left it behind. Both borrowed. */
typedef void (*gather_fn)(struct monitor *m, struct request *req, json_t *const *stats,
			  json_t *rows);

/* Answers for req: fn runs once, unless req's server goes first. */
void gather(struct monitor *m, struct request *req, bool want_rows, gather_fn fn);
