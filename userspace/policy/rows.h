/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While compiling: for each workload, provider, kind and pattern a row of bits, one a rule, set
 * where the rule's conditions on it hold. Rows are made when they get their first bit.
 */
#pragma once

#include "policy/draft.h"

struct rows {
	size_t n_rules, n_workloads, n_providers, n_kinds;
	size_t n_patterns;
	uint64_t **workload, **provider, **kind, **pattern; /* NULL row: all zero */
	uint64_t *any_workload, *any_model;
	uint64_t *empty;
	uint8_t *marks; /* scratch, one a workload */
	struct names stored; /* rows that are in the image, by their bytes */
	uint32_t *stored_at;
	size_t n_stored_at;
};

int rows_init(struct rows *rows, size_t n_rules, size_t n_workloads, size_t n_providers,
	      size_t n_kinds) _must_check_;
void rows_done(struct rows *rows);
/* Sets the rule's bits and its image_rule_flag. Its patterns are added to `patterns`. */
int rows_add_rule(struct rows *rows, struct draft *dr, struct names *patterns,
		  const struct draft_rule *rule, uint32_t number, uint32_t *ret_flags) _must_check_;
/* Appends a row (NULL: empty) to `bits` as sets.h has it, or finds an equal one there. */
int rows_put(struct rows *rows, const uint64_t *row, struct buf *bits, uint32_t *ret) _must_check_;
