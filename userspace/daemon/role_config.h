/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration text in a child's `start` message, as its header describes it. */
#pragma once

#include "daemon/config.h"

/* A JSON text to free(); NULL: out of memory. index: of a worker; the first one resolves names. */
char *role_config(const struct config *c, uint32_t role, unsigned index,
		  uint64_t cgroup) _must_check_;
