/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read of the bodies of an operation: the keys that the catalogue names, made ready when a
 * policy comes, so that a request only points here. See inspect.h.
 */
#pragma once

#include "base/pool.h"
#include "proto/json_scan.h"
#include "provider/catalogue.h"

struct inspect_plan {
	struct json_scan_plan keys;
	const char *names[JSON_SCAN_KEYS_MAX]; /* the keys' paths: names of a form's parts */
	/* Indexes into keys; -1: the operation has none. Max-token keys are a run of them. */
	int model, stream, max_tokens;
	unsigned n_max_tokens;
};

/* Texts are copied into the pool. -EINVAL: more keys than JSON_SCAN_KEYS_MAX, or a path that is
 * none. -ENOMEM. */
int inspect_plan_make(struct inspect_plan *ret, const struct catalogue_operation *op,
		      struct pool *pool) _must_check_;
