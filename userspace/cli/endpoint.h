/* SPDX-License-Identifier: Apache-2.0 */
/* Governed addresses from the pins: `endpoint list` and `map dump eg_endpoint` are the same. */
#pragma once

#include "base/diag.h"
#include "cli/cli.h"

/* provider: "#2" as the pins know it; NULL: every. Negative: noted. */
int endpoint_list_pinned(struct cli *cli, const struct diag *dead,
			 const char *provider) _must_check_;
