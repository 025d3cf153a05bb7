/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rows.h"

#include "policy/sets.h"
#include "provider/catalogue.h"

int rows_init(struct rows *rows, size_t n_rules, size_t n_workloads, size_t n_providers,
	      size_t n_kinds)
{
	size_t n_words = set_words(n_rules) + 1;

	*rows = (struct rows){
		.n_rules = n_rules,
		.n_workloads = n_workloads,
		.n_providers = n_providers,
		.n_kinds = n_kinds,
		.workload = calloc(n_workloads + 1, sizeof(uint64_t *)),
		.provider = calloc(n_providers + 1, sizeof(uint64_t *)),
		.kind = calloc(n_kinds + 1, sizeof(uint64_t *)),
		.any_workload = calloc(n_words, sizeof(uint64_t)),
		.any_model = calloc(n_words, sizeof(uint64_t)),
		.empty = calloc(n_words, sizeof(uint64_t)),
		.marks = calloc(n_workloads + 1, 1),
	};
	return rows->workload && rows->provider && rows->kind && rows->any_workload &&
			       rows->any_model && rows->empty && rows->marks
		       ? 0
		       : -ENOMEM;
}

static void free_rows(uint64_t **row, size_t n)
{
	for (size_t i = 0; row && i < n; i++)
		free(row[i]);
	free(row);
}

void rows_done(struct rows *rows)
{
	free_rows(rows->workload, rows->n_workloads);
	free_rows(rows->provider, rows->n_providers);
	free_rows(rows->kind, rows->n_kinds);
	free_rows(rows->pattern, rows->n_patterns);
	free(rows->any_workload);
	free(rows->any_model);
	free(rows->empty);
	free(rows->marks);
	names_done(&rows->stored);
	free(rows->stored_at);
	*rows = (struct rows){ 0 };
}

static void set_bit(uint64_t *row, uint32_t rule)
{
	row[rule / 64] |= UINT64_C(1) << (rule % 64);
}

static int set_in(const struct rows *rows, uint64_t **row, uint32_t rule)
{
	if (!*row)
		*row = calloc(set_words(rows->n_rules) + 1, sizeof(uint64_t));
	if (!*row)
		return -ENOMEM;
	set_bit(*row, rule);
	return 0;
}

/* Advances the mark of a workload that has met `met` conditions by one; once for each condition. */
static void advance(struct rows *rows, uint32_t workload, uint8_t met)
{
	if (rows->marks[workload] == met)
		rows->marks[workload]++;
}

static void mark_value(struct rows *rows, const struct draft *dr, const struct draft_cond *c,
		       struct slice value, uint8_t met)
{
	const struct draft_members *m;
	int i;

	if (c->dim == IMAGE_DIM_WORKLOAD) {
		i = names_find(&dr->workload_names, value);
		if (i >= 0)
			advance(rows, (uint32_t)i, met);
		return;
	}
	i = draft_find_label(dr, c->label, value);
	m = i < 0 ? NULL : &dr->members[i];
	for (size_t k = 0; m && k < m->n; k++)
		advance(rows, m->workload[k], met);
}

/* Number of conditions on the workload; afterwards, who has that mark meets them all. */
static uint8_t mark_workloads(struct rows *rows, const struct draft *dr,
			      const struct draft_rule *rule)
{
	uint8_t met = 0;

	memset(rows->marks, 0, rows->n_workloads);
	for (size_t i = 0; i < rule->n_conds; i++) {
		const struct draft_cond *c = &rule->conds[i];

		if (c->dim != IMAGE_DIM_WORKLOAD && c->dim != IMAGE_DIM_LABEL)
			continue;
		for (size_t k = 0; k < c->n_values; k++)
			mark_value(rows, dr, c, c->values[k], met);
		met++;
	}
	return met;
}

static int add_workloads(struct rows *rows, const struct draft *dr, const struct draft_rule *rule,
			 uint32_t number, uint32_t *flags)
{
	uint8_t met = mark_workloads(rows, dr, rule);

	if (!met) {
		set_bit(rows->any_workload, number);
		return rule->deny ? set_in(rows, &rows->workload[0], number) : 0;
	}
	if (rows->marks[0] == met)
		*flags |= IMAGE_RULE_UNKNOWN;
	for (size_t i = 0; i < rows->n_workloads; i++) {
		int r = rows->marks[i] == met ? set_in(rows, &rows->workload[i], number) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static const struct draft_cond *cond_of(const struct draft_rule *rule, enum image_dim dim)
{
	for (size_t i = 0; i < rule->n_conds; i++)
		if (rule->conds[i].dim == dim)
			return &rule->conds[i];
	return NULL;
}

static bool names_one(const struct draft_cond *c, struct slice value)
{
	for (size_t i = 0; c && i < c->n_values; i++)
		if (slice_eq(c->values[i], value))
			return true;
	return !c;
}

static int add_provider_and_kind(struct rows *rows, const struct draft *dr,
				 const struct draft_rule *rule, uint32_t number)
{
	const struct draft_cond *provider = cond_of(rule, IMAGE_DIM_PROVIDER);
	const struct draft_cond *trust = cond_of(rule, IMAGE_DIM_TRUST);
	const struct draft_cond *operation = cond_of(rule, IMAGE_DIM_OPERATION);
	int r = 0;

	for (unsigned i = 0; i < rows->n_providers && r == 0; i++) {
		const struct catalogue_provider *p = catalogue_provider(dr->cat, i);

		if (names_one(provider, p->name) && names_one(trust, p->trust))
			r = set_in(rows, &rows->provider[i], number);
	}
	for (unsigned i = 0; i < rows->n_kinds && r == 0; i++)
		if (names_one(operation, catalogue_kind_name(dr->cat, i)))
			r = set_in(rows, &rows->kind[i], number);
	return r;
}

static int pattern_row(struct rows *rows, struct names *patterns, struct slice lower)
{
	int i = names_add(patterns, lower, NULL);
	uint64_t **grown;
	size_t room;

	if (i < 0 || (size_t)i < rows->n_patterns)
		return i;
	room = 2 * rows->n_patterns + 16;
	grown = realloc(rows->pattern, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + rows->n_patterns, 0, (room - rows->n_patterns) * sizeof(*grown));
	rows->pattern = grown;
	rows->n_patterns = room;
	return i;
}

static int add_model(struct rows *rows, struct draft *dr, struct names *patterns,
		     const struct draft_rule *rule, uint32_t number, uint32_t *flags)
{
	const struct draft_cond *c = cond_of(rule, IMAGE_DIM_MODEL);

	if (!c) {
		set_bit(rows->any_model, number);
		return 0;
	}
	*flags |= IMAGE_RULE_MODEL;
	for (size_t i = 0; i < c->n_values; i++) {
		struct slice v = c->values[i];
		char *lower = pool_alloc(&dr->pool, v.n + 1);
		int row, r;

		if (!lower)
			return -ENOMEM;
		for (size_t k = 0; k < v.n; k++)
			lower[k] = ascii_lower(v.p[k]);
		lower[v.n] = '\0';
		row = pattern_row(rows, patterns, slice_of(lower, v.n));
		r = row < 0 ? row : set_in(rows, &rows->pattern[row], number);
		if (r < 0)
			return r;
	}
	return 0;
}

int rows_add_rule(struct rows *rows, struct draft *dr, struct names *patterns,
		  const struct draft_rule *rule, uint32_t number, uint32_t *ret_flags)
{
	int r;

	*ret_flags = 0;
	r = add_workloads(rows, dr, rule, number, ret_flags);
	if (r == 0)
		r = add_provider_and_kind(rows, dr, rule, number);
	return r < 0 ? r : add_model(rows, dr, patterns, rule, number, ret_flags);
}

static int append_set(const struct rows *rows, const uint64_t *row, struct buf *bits)
{
	size_t n_words = set_words(rows->n_rules), n_summary = set_summary_words(rows->n_rules);
	uint64_t summary[IMAGE_RULES_MAX / 4096] = { 0 }, before[IMAGE_RULES_MAX / 4096] = { 0 };
	uint64_t count = 0;
	int r;

	for (size_t w = 0; w < n_words; w++) {
		if (w % 64 == 0)
			before[w / 64] = count;
		if (!row[w])
			continue;
		summary[w / 64] |= UINT64_C(1) << (w % 64);
		count++;
	}
	r = buf_append(bits, summary, n_summary * sizeof(*summary));
	if (r == 0)
		r = buf_append(bits, before, n_summary * sizeof(*before));
	for (size_t w = 0; w < n_words && r == 0; w++)
		if (row[w])
			r = buf_append(bits, &row[w], sizeof(row[w]));
	return r;
}

int rows_put(struct rows *rows, const uint64_t *row, struct buf *bits, uint32_t *ret)
{
	const uint64_t *have = row ? row : rows->empty;
	struct slice key = slice_of(have, set_words(rows->n_rules) * sizeof(*have));
	bool new;
	int i = names_add(&rows->stored, key, &new), r = 0;

	if (i < 0)
		return i;
	if ((size_t)i >= rows->n_stored_at) {
		size_t n = 2 * rows->n_stored_at + 64;
		uint32_t *grown = realloc(rows->stored_at, n * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rows->stored_at = grown;
		rows->n_stored_at = n;
	}
	if (new) {
		rows->stored_at[i] = (uint32_t)(buf_len(bits) / sizeof(uint64_t));
		r = append_set(rows, have, bits);
	}
	*ret = rows->stored_at[i];
	return r;
}
