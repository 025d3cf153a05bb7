/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/image.h"

#include "policy/sets.h"

uint32_t image_slot(size_t n_slots, struct slice a, struct slice b)
{
	const struct slice part[] = { a, b };
	uint64_t h = 0xcbf29ce484222325u;

	/* base/hash.h does not fold case. */
	for (size_t k = 0; k < ARRAY_SIZE(part); k++) {
		for (size_t i = 0; i < part[k].n; i++)
			h = (h ^ (unsigned char)ascii_lower(part[k].p[i])) * 0x100000001b3u;
		h = (h ^ 0xff) * 0x100000001b3u;
	}
	return (uint32_t)((h ^ (h >> 32)) & (n_slots - 1));
}

bool image_ends(struct image_shape shape, struct slice model, struct slice *ret_prefix,
		struct slice *ret_suffix)
{
	if (shape.prefix == IMAGE_EXACT) {
		*ret_prefix = model;
		*ret_suffix = SLICE("");
		return true;
	}
	if ((size_t)shape.prefix + shape.suffix > model.n)
		return false;
	*ret_prefix = slice_of(model.p, shape.prefix);
	*ret_suffix = slice_of(model.p + model.n - shape.suffix, shape.suffix);
	return true;
}

static bool has_range(size_t n, uint64_t first, uint64_t count)
{
	return first <= n && count <= n - first;
}

static bool has_ref(const struct image *im, struct image_ref r)
{
	return has_range(im->n_text, r.at, r.n);
}

static bool has_set(const struct image *im, uint32_t at)
{
	size_t rules = im->n_rules, n_words = set_words(rules),
	       n_summary = set_summary_words(rules);
	uint64_t count = 0;
	struct set s;

	if (!has_range(im->n_bits, at, 2 * n_summary))
		return false;
	s = set_at(im->bits, at, rules);
	for (size_t i = 0; i < n_summary; i++) {
		size_t here = n_words - i * 64 < 64 ? n_words - i * 64 : 64;

		if (s.before[i] != count || (here < 64 && s.summary[i] >> here))
			return false;
		count += (uint64_t)__builtin_popcountll(s.summary[i]);
	}
	if (!has_range(im->n_bits, at + 2 * n_summary, count))
		return false;
	/* Readers take every bit for a rule. */
	return rules % 64 == 0 || !(set_word(&s, n_words - 1) >> (rules % 64));
}

static bool slots_ok(const uint32_t *slots, size_t n_slots, size_t n)
{
	if (!n_slots || (n_slots & (n_slots - 1)) || n_slots > UINT32_MAX)
		return false;
	for (size_t i = 0; i < n_slots; i++)
		if (slots[i] > n)
			return false;
	return true;
}

/* Chains lead to lower numbers only, so that following one ends. */
static bool workloads_ok(const struct image *im)
{
	if (!im->n_workloads || im->n_workloads > IMAGE_WORKLOADS_MAX)
		return false;
	for (size_t i = 0; i < im->n_workloads; i++) {
		const struct image_workload *w = &im->workloads[i];

		if (!has_ref(im, w->name) || !has_set(im, w->set) || w->direct_keys > 2 ||
		    !has_range(im->n_labels, w->first_label, w->n_labels) || w->next > i)
			return false;
	}
	return slots_ok(im->workload_slots, im->n_workload_slots, im->n_workloads);
}

static bool pairs_ok(const struct image *im, const struct image_pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has_ref(im, p[i].name) || !has_ref(im, p[i].value))
			return false;
	return true;
}

static bool facts_ok(const struct image *im)
{
	for (size_t i = 0; i < im->n_providers; i++) {
		const struct image_provider *p = &im->providers[i];

		if (!has_ref(im, p->name) || !has_ref(im, p->trust) || !has_set(im, p->set))
			return false;
	}
	for (size_t i = 0; i < im->n_kinds; i++)
		if (!has_ref(im, im->kinds[i].name) || !has_set(im, im->kinds[i].set))
			return false;
	return true;
}

static bool rules_ok(const struct image *im)
{
	uint32_t from = 0;

	for (size_t i = 0; i < IMAGE_RUN_COUNT; i++) {
		if (im->head->run_end[i] < from)
			return false;
		from = im->head->run_end[i];
	}
	if (from != im->n_rules || im->n_rules > IMAGE_RULES_MAX || im->n_order != im->n_rules)
		return false;
	for (size_t i = 0; i < im->n_rules; i++) {
		const struct image_rule *r = &im->rules[i];

		if (!has_ref(im, r->id) || !has_ref(im, r->text) || !has_ref(im, r->credential) ||
		    !has_range(im->n_headers, r->first_header, r->n_headers) ||
		    !has_range(im->n_conds, r->first_cond, r->n_conds) ||
		    im->order[i] >= im->n_rules)
			return false;
	}
	return true;
}

static bool conds_ok(const struct image *im)
{
	for (size_t i = 0; i < im->n_conds; i++) {
		const struct image_cond *c = &im->conds[i];

		if (c->dim >= IMAGE_DIM_COUNT || !has_ref(im, c->label) ||
		    !has_ref(im, c->wanted) ||
		    !has_range(im->n_values, c->first_value, c->n_values))
			return false;
	}
	for (size_t i = 0; i < im->n_values; i++)
		if (!has_ref(im, im->values[i]))
			return false;
	return true;
}

static bool patterns_ok(const struct image *im)
{
	for (size_t i = 0; i < im->n_patterns; i++) {
		const struct image_pattern *p = &im->patterns[i];

		if (!has_ref(im, p->text) || !has_set(im, p->set) || p->next > i ||
		    p->shape >= im->n_shapes)
			return false;
	}
	return slots_ok(im->pattern_slots, im->n_pattern_slots, im->n_patterns);
}

static const void *section(const struct image_head *h, enum image_section s, size_t size)
{
	uint64_t at = h->section[s].at, n = h->section[s].n;

	if (at % 8 || at < sizeof(*h) || at > h->size || n > (h->size - at) / size)
		return NULL;
	return (const char *)h + at;
}

int image_check(const void *mem, size_t n, struct image *ret)
{
	const struct image_head *h = mem;
	struct image im = { .head = h };

	if (!mem || (uintptr_t)mem % 8 || n < sizeof(*h) || n > IMAGE_MAX)
		return -EINVAL;
	if (h->magic != IMAGE_MAGIC || h->version != IMAGE_VERSION || h->size != n)
		return -EINVAL;
#define X(name, type)                                                                              \
	im.name = section(h, IMAGE_SECTION_##name, sizeof(type));                                  \
	im.n_##name = h->section[IMAGE_SECTION_##name].n;                                          \
	if (!im.name)                                                                              \
		return -EINVAL;
	IMAGE_SECTIONS(X)
#undef X
	if (!rules_ok(&im) || !workloads_ok(&im) || !facts_ok(&im) || !conds_ok(&im) ||
	    !patterns_ok(&im) || !pairs_ok(&im, im.labels, im.n_labels) ||
	    !pairs_ok(&im, im.headers, im.n_headers))
		return -EINVAL;
	if (!has_set(&im, h->any_workload) || !has_set(&im, h->any_model))
		return -EINVAL;
	*ret = im;
	return 0;
}
