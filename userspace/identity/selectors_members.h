/* SPDX-License-Identifier: Apache-2.0 */
/* The members of one entry of "match": what each may be, and what becomes of it. */
#pragma once

#include "identity/selectors.h"

/* What is being read; used by selectors_read.c too. */
struct selectors_reading {
	const struct json_doc *doc;
	struct diag *d;
	const char *attached;
	struct selectors *s;
	uint32_t workload;
	bool has_exe, has_modes; /* the workload has "exe"; "capture" or "egress" */
	json_t *entry; /* of "match" or "exe" */
	struct selector sel;
};

/* Reads r->entry, whose members are known by name, into r->sel. -EINVAL with r->d filled; -ENOMEM.
 */
int selectors_members_read(struct selectors_reading *r) _must_check_;
/* The path of a program, into r->sel.exe. */
int selectors_members_exe(struct selectors_reading *r, const char *key, json_t *value) _must_check_;
/* "workload NAME: KEY must be EXPECTED", at that member of r->entry. */
int selectors_members_bad(struct selectors_reading *r, const char *key, const char *expected);
