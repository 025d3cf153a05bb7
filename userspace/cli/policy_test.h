/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `egret policy test`: files of questions with the answers a policy must give. No daemon, no root.
 *
 *   { "policy": "../default.json",          beside the file, or the policy itself
 *     "tests": [
 *       { "name": "a small model is allowed",
 *         "facts":  { "workload": "dev", "provider": "openai", "operation": "chat", "model":
 * "gpt-4o-mini" }, "expect": { "decision": "allowed", "rule": "small-models", "max_tokens": 4096 }
 * } ] }
 *
 * Members of `expect` are those of `policy explain`; what it does not name is not compared.
 */
#pragma once

#include "cli/args.h"
#include "cli/cli.h"

int policy_test(struct cli *cli, const struct args *args) _must_check_;
