/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of rules, stored sparsely: a summary with a bit for each word of 64 rules that is not empty,
 * a running count for each summary word, then those words. Intersecting four of them touches one
 * summary word per 4,096 rules, and words only where all four have some.
 *
 *   summary[S] | before[S] | words...      S = set_summary_words(rules)
 */
#pragma once

#include "base/slice.h"

static inline size_t set_words(size_t rules)
{
	return (rules + 63) / 64;
}

static inline size_t set_summary_words(size_t rules)
{
	return (set_words(rules) + 63) / 64;
}

struct set {
	const uint64_t *summary, *before, *words;
};

static inline struct set set_at(const uint64_t *bits, uint32_t at, size_t rules)
{
	size_t s = set_summary_words(rules);

	return (struct set){ bits + at, bits + at + s, bits + at + 2 * s };
}

/* Word `w` of the set; 0 when the summary says that it is empty. */
static inline uint64_t set_word(const struct set *s, size_t w)
{
	uint64_t here = s->summary[w / 64], bit = UINT64_C(1) << (w % 64);

	if (!(here & bit))
		return 0;
	return s->words[s->before[w / 64] + (size_t)__builtin_popcountll(here & (bit - 1))];
}
