/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of `egret run`: variables by which runtimes learn whom to trust, and placeholders
 * where SDKs want a key. Trust is always set: a workload that trusts another file reaches nothing.
 */
#pragma once

#include "base/json.h"

enum environment_kind {
	ENVIRONMENT_BUNDLE, /* replaces what the runtime trusts: system store and egret's CA */
	ENVIRONMENT_ADDED, /* comes on top: egret's CA alone */
	ENVIRONMENT_SWITCH, /* "1" */
};

struct environment_trust {
	const char *name;
	enum environment_kind kind;
	const char *of; /* which programs read it */
};

extern const struct environment_trust environment_trust[];
extern const size_t environment_n_trust;

/* Sets all of them in this process. -ENOMEM, -EINVAL. */
int environment_set_trust(const char *cert, const char *bundle) _must_check_;
/* env: {variable: placeholder}. With `keep` a variable that has a value keeps it. */
int environment_set_keys(const json_t *env, bool keep) _must_check_;
