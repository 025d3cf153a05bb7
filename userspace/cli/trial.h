/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy compiled here, with the catalogue built into this command: for `policy test`, and for
 * `policy check` and `explain` where no daemon is to be asked. Nothing is put in force.
 */
#pragma once

#include "base/buf.h"
#include "cli/cli.h"
#include "policy/explain.h"
#include "policy/policy.h"
#include "policy/question.h"
#include "provider/catalogue.h"

struct trial {
	struct buf catalogue_image, policy_image;
	struct catalogue *catalogue;
	struct policy *policy;
	size_t n_rules;
};

/* Zero-initialise, release with trial_done(). Negative: noted, with file, line and column. */
int trial_open_catalogue(struct cli *cli, struct trial *t) _must_check_;
int trial_load_file(struct cli *cli, struct trial *t, const char *file) _must_check_;
void trial_done(struct trial *t);

/* Looks the names up; negative: noted which of them neither policy nor catalogue knows. */
int trial_facts(struct cli *cli, const struct trial *t, const struct question *q,
		struct policy_facts *ret) _must_check_;
/* As the end and the rows of `policy.explain` (control/PROTOCOL.md); NULL: out of memory. */
json_t *trial_decision(const struct trial *t, const struct policy_facts *facts);
json_t *trial_rules(const struct trial *t, const struct policy_facts *facts);
