/* SPDX-License-Identifier: Apache-2.0 */
/* How the monitor's parts come up, in the order that lets nothing through: monitor_start.c. */
#pragma once

#include "base/diag.h"
#include "daemon/monitor.h"

/*
 * Makes every part, attaches, starts the children. Needs config, loop and warnings of m. Returns 0
 * with the loop still to run, or negative errno, d saying why; what was made by then is the
 * caller's to free either way.
 */
int monitor_start(struct monitor *m, struct diag *d) _must_check_;
/* The service manager keeps a copy of them. */
void monitor_keep_listeners(struct monitor *m);
