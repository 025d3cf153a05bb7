/* SPDX-License-Identifier: Apache-2.0 */
/* What a person asks policy about, by names: to facts, or to what is wrong with a name and which
 * are known. */
#pragma once

#include "base/diag.h"
#include "policy/policy.h"
#include "provider/catalogue.h"

struct question {
	const char *workload, *provider, *operation, *model; /* model may be NULL */
};

/* The index of a name; -ENOENT, with those that are known in d. */
int question_workload(const char *name, const struct policy *p, struct diag *d) _must_check_;
int question_provider(const char *name, const struct catalogue *c, struct diag *d) _must_check_;
/* ret borrows q->model. -ENOENT: no such workload or provider; -EINVAL: no such operation. */
int question_facts(const struct question *q, const struct policy *p, const struct catalogue *c,
		   struct diag *d, struct policy_facts *ret) _must_check_;
