/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a name that is not governed: joined to its original destination and copied both
 * ways with splice(2), never read. Ends of either side are passed on as they come; there is no
 * limit in time. A slow side stops the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct conn;
struct passthrough;

#define PIPES_KEPT 32u
#define PIPES_WIDE 8u

struct pipe {
	int fd[2]; /* -EBADF: none */
	size_t room; /* bytes that it takes at once */
};

/* Empty pipes: a connection has one for each direction only while something is in it. A few are
 * wide; if all were, those who do not read could use up what the kernel lets the workers' user have
 * (pipe-user-pages-soft), and the others would get narrow ones. */
struct pipes {
	struct pipe kept[PIPES_KEPT];
	unsigned n, n_wide;
};

void pipes_done(struct pipes *p);

/* Begins to connect; the connection's watcher and deadline are its own from then on. `holds`: the
 * client has not spoken yet; greet_late() judges its first bytes, unless the server was first.
 * -errno. */
int passthrough_new(struct conn *c, bool holds, struct passthrough **ret) _must_check_;
/* The connection is closed: nothing of it happens any more. NULL-safe. */
void passthrough_stop(struct passthrough *p);
struct passthrough *passthrough_free(struct passthrough *p);
