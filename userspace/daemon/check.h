/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `egretd --check` and `egretd --try`: what a start would come to, without one. Neither changes
 * anything, so both may run beside a daemon that serves. They print; the result is the exit status.
 */
#pragma once

#include "base/cleanup.h"

struct config_where;

/* Configuration, catalogue and policy. */
int check_main(const struct config_where *where) _must_check_;
/* The same, then what it takes to take over from a daemon that runs with this configuration: the
 * users are there, and the kernel takes this build's programs on the maps of what is attached. */
int check_try_main(const struct config_where *where) _must_check_;
