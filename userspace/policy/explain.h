/* SPDX-License-Identifier: Apache-2.0 */
/* Why a decision came out as it did: every rule in order, and the first condition that did not
 * hold. */
#pragma once

#include "policy/policy.h"

struct policy_explained {
	struct slice id;
	const char *effect; /* "allow" or "deny" */
	bool shadow;
	struct slice credential; /* that it gives; empty: the provider's default */
	bool applies; /* every condition holds */
	bool is_open; /* every one that could be judged: no model was given, and it wants one */
	const char *failed; /* "workload", "label", "provider", "trust", "model", "operation"; NULL:
			       none */
	struct slice label; /* its name, when failed is "label" */
	struct slice wanted; /* the values that would have matched, as written, comma-separated */
};

/* Calls fn for each rule in order; a non-zero return ends and is returned. With facts NULL only the
 * rules are listed (applies is false, failed NULL). */
typedef int (*policy_explain_fn)(void *ctx, const struct policy_explained *e);
int policy_explain(const struct policy *p, const struct policy_facts *facts, policy_explain_fn fn,
		   void *ctx) _must_check_;
