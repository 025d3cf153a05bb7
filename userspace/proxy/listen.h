/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets the monitor hands over, one for each network namespace and family: accepts
 * what the kernel redirected, a few at a time so that connections at work are served in between.
 * What carries no flow record is closed at once.
 */
#pragma once

#include <sys/queue.h>

#include "base/cleanup.h"

struct worker;

struct listeners {
	LIST_HEAD(, listener) all;
};

/* Takes fd. -ENOMEM. */
int listen_add(struct worker *w, int fd) _must_check_;
void listen_close(struct listeners *ls);
