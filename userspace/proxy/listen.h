/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets the monitor hands over, one for each network namespace and family: accepts
 * what the kernel redirected, a few at a time so that connections at work are served in between.
 * What carries no flow record is closed at once.
 */
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"

struct worker;

struct listeners {
	LIST_HEAD(, listener) all;
};

/* Takes fd, a listener in the network namespace of that cookie. -ENOMEM. */
int listen_add(struct worker *w, int fd, uint64_t netns) _must_check_;
/* Closes those of one namespace, in which nobody is left. */
void listen_drop(struct listeners *ls, uint64_t netns);
void listen_close(struct listeners *ls);
