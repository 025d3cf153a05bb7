/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration says of the kernel side, as dataplane/ takes it. */
#pragma once

#include "dataplane/dataplane.h"

struct config;

struct hooks_opts {
	struct dataplane_opts opts; /* borrows from the configuration and from `pins` */
	char pins[4352];
};

/* Not to be copied or moved: opts points into it. libbpf's lines go to the log, level debug. */
void hooks_opts_of(const struct config *c, struct hooks_opts *ret);
