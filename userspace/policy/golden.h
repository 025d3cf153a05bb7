/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decision tables: files of questions with the answers that a policy must give, which anyone can
 * add to policy/tests/ without writing code. `egret policy test` and the unit tests run them.
 *
 *   { "policy": "../default.json",       a file beside this one, or the policy itself
 *     "tests": [
 *       { "name": "a small model is allowed",
 *         "facts":  { "workload": "default", "provider": "openai", "operation": "chat",
 *                     "model": "gpt-4o-mini" },
 *         "expect": { "decision": "allowed", "rule": "openai" } } ] }
 *
 * Facts without "model" are of a request that names none. "expect" has the members of answer.h and
 * must have "decision"; of the others, those that are there are compared, and null expects none.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"

struct catalogue;

struct golden_result {
	const char *file, *name;
	const char *differs; /* the member of "expect" that differs; NULL: none, the test passed */
	const json_t *wanted, *got; /* of that member; got NULL: none */
};

/* A non-zero return ends and is returned. */
typedef int (*golden_fn)(void *ctx, const struct golden_result *result);
/* Runs the tests of one file in order. -EINVAL, -EMSGSIZE or an error of opening, with d filled:
 * file or policy is not well-formed, so that nothing can be said; -ENOMEM. */
int golden_run(const char *file, const struct catalogue *cat, struct diag *d, golden_fn fn,
	       void *ctx) _must_check_;
