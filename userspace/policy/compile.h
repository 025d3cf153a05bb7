/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the policy as written (DESIGN: workloads, rules) to the image that policy.h decides from.
 * Used by the monitor for `policy load|check` and by the CLI for `policy check|test`. Errors name
 * file, line, column and what was expected; policy/schema/policy.json says the same to editors.
 *
 * Workload indexes are positions in "workloads" + 1; 0 is `unknown`. The members "match" and "exe"
 * of a workload belong to identity/identity.h, which reads the same document; here they are only
 * known as allowed.
 */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"

struct catalogue;
struct policy;

/* Appends the image to ret (for a sealed memfd). -EINVAL with d filled; -ENOMEM; -EMSGSIZE. */
int policy_compile(const struct json_doc *doc, const struct catalogue *cat, struct diag *d,
		   struct buf *ret) _must_check_;
size_t policy_rules(const struct policy *p); /* number of rules in an opened image */
