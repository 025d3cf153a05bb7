/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `daemon upgrade`: the monitor executes another binary in its own pid.
 *
 *   TRYING ──`PATH --try` said yes──► SETTLING ──nothing is under way──► execve()
 *      │ no, or nothing for 30 s         │ not within 5 s                   │ refused
 *      └────────── the one who asked is told why; nothing has changed ──────┘
 *
 * The file is opened once: what was tried is what is executed.
 */
#pragma once

#include "control/server.h"
#include "daemon/monitor.h"

/* Answers req in the end, from this generation or from the next. path NULL: the file that the
 * running binary came from. */
void upgrade_begin(struct monitor *m, struct request *req, const char *path);
struct upgrade *upgrade_free(struct upgrade *u); /* gives it up; returns NULL */
/* The new generation serves: answers who asked for it. */
void upgrade_done(struct monitor *m);
