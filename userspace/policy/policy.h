/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding: facts in, decision out, from a compiled image mapped read-only. A pure function: no
 * allocation, no time, no I/O. Its cost does not depend on rules that do not apply.
 *
 * Deny wins over allow; the first allow rule that applies gives the obligations; nothing matching
 * is denied (no_rule). Workload 0 is `unknown`: only an allow rule that names it lets it through
 * (unknown_workload otherwise), while every deny rule without a workload condition binds it.
 *
 * Models. A condition on the model compares without regard to ASCII case, so that no other spelling
 * of a denied model gets past. An operation that has no model (files, lists) is outside every rule
 * with such a condition. Where the operation has one and the request names none, an allow rule with
 * a model condition does not apply, and a deny rule with one decides model_missing.
 *
 * A shadow rule decides nothing. It is reported when the decision, allow or deny, would have been
 * another had it been in force with the other shadow rules.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/reasons.h"

enum policy_direct_keys { POLICY_DIRECT_DENY, POLICY_DIRECT_REPLACE, POLICY_DIRECT_AUDIT };

struct policy_facts {
	unsigned workload;
	unsigned provider;
	unsigned kind; /* operation kind, see catalogue.h */
	struct slice model; /* empty: the operation or request has none */
	bool no_model; /* this operation has no model to name; false is the safe side */
};

struct policy_header {
	struct slice name, value;
};

struct policy_decision {
	enum eg_reason reason; /* EG_REASON_allowed or why not */
	struct slice rule; /* id of the rule that decided; empty: none */
	struct slice text; /* the deny rule's own words, or empty */
	/* obligations of the allow rule */
	struct slice credential; /* id; empty: the provider's default */
	uint64_t max_tokens; /* cap; 0: none */
	const struct policy_header *headers; /* to add upstream */
	size_t n_headers;
	struct slice shadow_rule; /* a shadow rule that would have decided otherwise; empty: none */
	enum eg_reason shadow_reason;
};

struct policy;

/* Checks the image whole, so that a damaged one is -EINVAL and never read outside its bounds. `mem`
 * is 8-byte aligned, must not change and must outlive the policy; what decisions hand out is
 * borrowed from it or from the policy. -ENOMEM. */
int policy_open(const void *mem, size_t n, struct policy **ret) _must_check_;
struct policy *policy_free(struct policy *p);
void policy_decide(const struct policy *p, const struct policy_facts *facts,
		   struct policy_decision *ret);

size_t policy_workloads(const struct policy *p);
struct slice policy_workload_name(const struct policy *p, unsigned workload);
int policy_find_workload(const struct policy *p, struct slice name); /* -1: none */
enum policy_direct_keys policy_direct_keys(const struct policy *p, unsigned workload);
/* The i-th label of a workload, as in the document; false past the last. */
bool policy_label_at(const struct policy *p, unsigned workload, size_t i, struct slice *ret_name,
		     struct slice *ret_value);
