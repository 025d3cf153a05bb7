/* SPDX-License-Identifier: Apache-2.0 */
/* Governed addresses from the pins: for `endpoint list` and `map dump eg_endpoint`. */
#pragma once

#include "base/diag.h"
#include "cli/cli.h"

/* Of the map, and what cgroups learned. provider: "#2" as the pins know it; NULL: every. Negative:
 * noted. */
int endpoint_list_pinned(struct cli *cli, const struct diag *dead, const char *provider,
			 bool with_learned) _must_check_;
