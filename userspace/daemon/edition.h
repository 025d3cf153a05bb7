/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An edition: one provider catalogue and one policy, compiled together into sealed memory that the
 * workers map read-only. The monitor has exactly one in force; a reload makes the next beside it
 * and swaps them when everything has been accepted, so a bad file changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/json.h"
#include "daemon/config.h"
#include "policy/compile.h"
#include "policy/policy.h"
#include "provider/catalogue.h"

#define EDITION_FILE_MAX (8u << 20) /* bytes of a policy or catalogue file */

struct edition {
	uint32_t generation;
	char source[256]; /* the policy's file, or "built-in" */
	bool is_given; /* its text came with a request, not from the configured file */
	uint64_t loaded_us;
	struct json_doc *doc; /* the policy as read */
	struct buf text; /* as written */
	json_t *providers; /* {name: object}: the catalogue as read, the last file wins */
	int catalogue_fd, policy_fd; /* sealed */
	struct catalogue *catalogue;
	struct policy *policy;
	void *catalogue_mem, *policy_mem;
	size_t catalogue_n, policy_n;
};

struct edition_from {
	const struct config_list *catalogue; /* files over the built-in one */
	const char *policy; /* file; a missing one is the built-in policy... */
	const struct slice *text; /* instead, `policy` then is its name; NULL */
	bool policy_needed; /* ... unless it must be there */
};

/* -errno with d filled. */
int edition_new(const struct edition_from *from, uint32_t generation, struct diag *d,
		struct edition **ret) _must_check_;
struct edition *edition_free(struct edition *e); /* returns NULL */

/* Whether every configured credential is for a provider there is; -EINVAL with d filled. */
int edition_check_credentials(const struct edition *e, const struct config *c,
			      struct diag *d) _must_check_;

/* A provider's name by the catalogue's index; NULL past the end. Into `to`, which is returned. */
const char *edition_provider(const struct edition *e, unsigned provider, char *to, size_t size);
/* Names of a provider's operations, an array. */
json_t *edition_operations(const struct edition *e, unsigned provider) _must_check_;
/* The member "labels" of a workload as written, or NULL. Borrowed. */
json_t *edition_labels(const struct edition *e, unsigned workload);
