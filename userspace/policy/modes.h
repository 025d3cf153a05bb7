/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "capture" and "egress" of the workloads in a policy: what the monitor writes on their cgroups.
 * The kernel decides by cgroup alone, so a workload that has one of them may be matched by its
 * cgroup only. Read apart from the image: workers have no use for it.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"
#include "egret/abi.h"

#define POLICY_ALLOW_MAX 1024 /* entries of one list */

struct policy_allow {
	struct slice
		name; /* "pypi.org", "*.pypi.org"; empty: an address. Borrowed from the document */
	struct eg_endpoint_key addr;
	uint16_t port; /* 0: every */
	uint8_t proto;
};

struct policy_mode {
	enum eg_capture capture;
	enum eg_egress egress;
	struct policy_allow *allow; /* of EG_EGRESS_DENY */
	size_t n_allow;
};

struct policy_modes {
	struct policy_mode *v; /* by workload, as in compile.h; 0 is `unknown` */
	size_t n;
	bool any; /* one has a mode that is not the default */
};

/* -EINVAL with d filled, -ENOMEM. The document, which must outlive it, has been through
 * policy_compile() or is on its way. */
int policy_modes_read(const struct json_doc *doc, struct diag *d,
		      struct policy_modes **ret) _must_check_;
struct policy_modes *policy_modes_free(struct policy_modes *m); /* returns NULL */

/* One entry of a list. `why` is what is wrong with it. -EINVAL. */
int policy_allow_read(struct slice text, struct policy_allow *ret, const char **why) _must_check_;
