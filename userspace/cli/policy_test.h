/* SPDX-License-Identifier: Apache-2.0 */
/* `egret policy test`: decision tables, see policy/golden.h. No daemon, no root. */
#pragma once

#include "cli/args.h"
#include "cli/cli.h"

int policy_test(struct cli *cli, const struct args *args) _must_check_;
