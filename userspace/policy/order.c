/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/order.h"

#include "base/hash.h"

/* Where a rule stands. */
struct standing {
	enum image_run run;
	uint64_t conds[4]; /* hash of those on workload, provider, operation, model */
	uint32_t position;
};

static int compare_standing(const void *left, const void *right)
{
	const struct standing *a = left, *b = right;

	if (a->run != b->run)
		return a->run < b->run ? -1 : 1;
	for (size_t i = 0; i < ARRAY_SIZE(a->conds); i++)
		if (a->conds[i] != b->conds[i])
			return a->conds[i] < b->conds[i] ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

static struct standing standing_of(const struct draft_rule *rule, uint32_t position)
{
	static const uint8_t slot[IMAGE_DIM_COUNT] = {
		[IMAGE_DIM_WORKLOAD] = 0, [IMAGE_DIM_LABEL] = 0,     [IMAGE_DIM_PROVIDER] = 1,
		[IMAGE_DIM_TRUST] = 1,	  [IMAGE_DIM_OPERATION] = 2, [IMAGE_DIM_MODEL] = 3,
	};
	struct standing s = { .position = position };

	s.run = rule->shadow ? (rule->deny ? IMAGE_SHADOW_DENY : IMAGE_SHADOW_ALLOW)
			     : (rule->deny ? IMAGE_DENY : IMAGE_ALLOW);
	for (size_t i = 0; i < rule->n_conds; i++) {
		const struct draft_cond *c = &rule->conds[i];
		uint64_t *h = &s.conds[slot[c->dim]];

		*h = hash_bytes(*h ? *h : HASH_SEED, c->label);
		for (size_t k = 0; k < c->n_values; k++)
			*h = hash_bytes(*h, c->values[k]);
	}
	return s;
}

int order_rules(const struct draft *dr, uint32_t *ret_positions,
		uint32_t ret_run_end[IMAGE_RUN_COUNT])
{
	_cleanup_free_ struct standing *all = calloc(dr->n_rules + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < dr->n_rules; i++)
		all[i] = standing_of(&dr->rules[i], i);
	qsort(all, dr->n_rules, sizeof(*all), compare_standing);
	memset(ret_run_end, 0, IMAGE_RUN_COUNT * sizeof(*ret_run_end));
	for (uint32_t number = 0; number < dr->n_rules; number++) {
		ret_positions[number] = all[number].position;
		for (unsigned run = all[number].run; run < IMAGE_RUN_COUNT; run++)
			ret_run_end[run] = number + 1;
	}
	return 0;
}
