/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy in force: a catalogue image and the policy image compiled against it, mapped read-only
 * from the monitor's sealed memfds, and what is made of them. Counted: whoever began under one
 * finishes under it, while the worker has gone on to the next.
 */
#pragma once

#include "base/cleanup.h"
#include "policy/policy.h"
#include "provider/catalogue.h"
#include "proxy/inspect_plan.h"

struct generation {
	unsigned refs;
	uint32_t number;
	struct catalogue *catalogue;
	struct policy *policy;
	struct inspect_plan *plans; /* by operation */
	struct pool texts; /* theirs */
	void *catalogue_mem, *policy_mem;
	size_t catalogue_n, policy_n;
};

/* The fds stay the caller's. -EINVAL: an image is not one. */
int generation_new(uint32_t number, int catalogue_fd, int policy_fd,
		   struct generation **ret) _must_check_;
/* Of an operation of its catalogue. */
static inline const struct inspect_plan *generation_plan(const struct generation *g,
							 unsigned operation)
{
	return &g->plans[operation];
}
static inline struct generation *generation_ref(struct generation *g)
{
	if (g)
		g->refs++;
	return g;
}
struct generation *generation_unref(struct generation *g); /* returns NULL */
