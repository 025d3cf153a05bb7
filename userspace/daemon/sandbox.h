/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a child locks itself up, in two steps that cannot be undone: first its root directory, user,
 * capabilities and namespaces; then, when it has opened what it needs, the system calls it keeps.
 * Any step that fails is fatal for the child: nothing is served without its sandbox.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/diag.h"

struct sandbox_opts {
	unsigned role; /* one EG_* role bit */
	uid_t uid; /* neither may be 0 */
	gid_t gid;
	const char *root; /* becomes "/": an empty directory; NULL: root_fd is it */
	int root_fd;
};

/* Needs root. Also ties the process's life to its parent's. */
int sandbox_confine(const struct sandbox_opts *o, struct diag *d) _must_check_;
/* From here on a system call outside the role's list kills the process; its name is logged. */
int sandbox_close(unsigned role, struct diag *d) _must_check_;
