/* SPDX-License-Identifier: Apache-2.0 */
/* Whether one value of a condition, or one header to add, can be right. */
#pragma once

#include "policy/draft.h"

#define DRAFT_HEADERS_MAX 16
#define DRAFT_MODEL_MAX	  127

/* Checks a value against workloads, labels and catalogue. -EINVAL: `why` ends the sentence that the
 * condition's name begins, with what was probably meant. */
int draft_value_check(const struct draft *dr, const struct draft_cond *c, struct slice value,
		      char *why, size_t size) _must_check_;
/* A header that an allow rule adds. -EDOM: its name is wrong; -EINVAL: its value is. */
int draft_value_header(const struct draft *dr, const struct draft_rule *rule,
		       struct draft_pair header, char *why, size_t size) _must_check_;
