/* SPDX-License-Identifier: Apache-2.0 */
/* Flow records from the pins: `flow list`, `flow show` and `map dump eg_cflow`. */
#pragma once

#include <stdint.h>

#include "base/diag.h"
#include "cli/cli.h"

/* provider: "#2" as the pins know it; NULL: every. Negative: noted. */
int flow_list_pinned(struct cli *cli, const struct diag *dead, const char *provider) _must_check_;
