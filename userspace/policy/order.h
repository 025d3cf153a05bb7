/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which rules stand in the image. Rules with the same conditions stand side by side,
 * so that a word of a set is all about them or not at all, and one look at the summary passes over
 * it: with 10,000 rules as the document mixes them a decision cost thirty times as much.
 */
#pragma once

#include "policy/draft.h"

/* Positions in the document by number in the image, and where each run ends. -ENOMEM. */
int order_rules(const struct draft *dr, uint32_t *ret_positions,
		uint32_t ret_run_end[IMAGE_RUN_COUNT]) _must_check_;
