/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/emit.h"

#include "base/glob.h"
#include "policy/order.h"
#include "policy/rows.h"
#include "policy/sets.h"
#include "provider/catalogue.h"

/* Patterns of one shape and with the same ends: they are tried one by one. */
#define ALIKE_MAX 64

struct emit {
	struct draft *dr;
	struct buf section[IMAGE_SECTION_COUNT];
	struct image_head head;
	struct names strings; /* texts that are in the image, with their places */
	uint32_t *string_at;
	size_t n_string_at;
	struct rows rows;
	struct names patterns; /* in lower case */
};

static void emit_done(struct emit *e)
{
	for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++)
		buf_release(&e->section[i]);
	names_done(&e->strings);
	names_done(&e->patterns);
	rows_done(&e->rows);
	free(e->string_at);
}

#define PUT(e, name, record)                                                                       \
	buf_append(&(e)->section[IMAGE_SECTION_##name], &(record), sizeof(record))

#define COUNT(e, name, type)                                                                       \
	((uint32_t)(buf_len(&(e)->section[IMAGE_SECTION_##name]) / sizeof(type)))

/* Equal texts are stored once. */
static int put_text(struct emit *e, struct slice s, struct image_ref *ret)
{
	struct buf *text = &e->section[IMAGE_SECTION_text];
	bool new;
	int i, r;

	*ret = (struct image_ref){ 0 };
	if (!s.n)
		return 0;
	i = names_add(&e->strings, s, &new);
	if (i < 0)
		return i;
	if ((size_t)i >= e->n_string_at) {
		size_t n = e->n_string_at ? 2 * e->n_string_at : 256;
		uint32_t *grown = realloc(e->string_at, n * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		e->string_at = grown;
		e->n_string_at = n;
	}
	if (new) {
		e->string_at[i] = (uint32_t)buf_len(text);
		r = buf_append_slice(text, s);
		if (r < 0)
			return r;
	}
	*ret = (struct image_ref){ e->string_at[i], (uint32_t)s.n };
	return 0;
}

static int put_pairs(struct emit *e, struct buf *to, const struct draft_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct image_pair pair;
		int r = put_text(e, pairs[i].name, &pair.name);

		if (r == 0)
			r = put_text(e, pairs[i].value, &pair.value);
		if (r == 0)
			r = buf_append(to, &pair, sizeof(pair));
		if (r < 0)
			return r;
	}
	return 0;
}

/* "a, b, c": what a person reads. */
static int put_wanted(struct emit *e, const struct draft_cond *c, struct image_ref *ret)
{
	_cleanup_(buf_release) struct buf list = { 0 };
	struct slice kept;
	int r = 0;

	if (c->n_values == 1)
		return put_text(e, c->values[0], ret);
	buf_init(&list, IMAGE_MAX);
	for (size_t i = 0; i < c->n_values && r == 0; i++)
		r = buf_printf(&list, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(c->values[i]));
	if (r < 0)
		return r;
	kept = pool_dup(&e->dr->pool, buf_slice(&list));
	return kept.p ? put_text(e, kept, ret) : -ENOMEM;
}

static int put_cond(struct emit *e, const struct draft_cond *c)
{
	struct image_cond cond = {
		.dim = c->dim,
		.first_value = COUNT(e, values, struct image_ref),
		.n_values = (uint32_t)c->n_values,
	};
	int r = put_text(e, c->label, &cond.label);

	if (r == 0)
		r = put_wanted(e, c, &cond.wanted);
	for (size_t i = 0; i < c->n_values && r == 0; i++) {
		struct image_ref value;

		r = put_text(e, c->values[i], &value);
		if (r == 0)
			r = PUT(e, values, value);
	}
	return r < 0 ? r : PUT(e, conds, cond);
}

static int put_rule(struct emit *e, uint32_t position, uint32_t number)
{
	const struct draft_rule *rule = &e->dr->rules[position];
	struct image_rule out = {
		.max_tokens = rule->max_tokens,
		.first_header = COUNT(e, headers, struct image_pair),
		.n_headers = (uint32_t)rule->n_headers,
		.first_cond = COUNT(e, conds, struct image_cond),
		.n_conds = (uint32_t)rule->n_conds,
		.position = position,
	};
	int r;

	r = rows_add_rule(&e->rows, e->dr, &e->patterns, rule, number, &out.flags);
	if (r == 0)
		r = put_text(e, rule->id, &out.id);
	if (r == 0)
		r = put_text(e, rule->text, &out.text);
	if (r == 0)
		r = put_text(e, rule->credential, &out.credential);
	if (r == 0)
		r = put_pairs(e, &e->section[IMAGE_SECTION_headers], rule->headers,
			      rule->n_headers);
	for (size_t i = 0; i < rule->n_conds && r == 0; i++)
		r = put_cond(e, &rule->conds[i]);
	return r < 0 ? r : PUT(e, rules, out);
}

static int put_rules(struct emit *e)
{
	size_t n = e->dr->n_rules;
	_cleanup_free_ uint32_t *positions = calloc(n + 1, sizeof(*positions));
	_cleanup_free_ uint32_t *numbers = calloc(n + 1, sizeof(*numbers));
	int r = positions && numbers ? order_rules(e->dr, positions, e->head.run_end) : -ENOMEM;

	for (uint32_t number = 0; number < n && r == 0; number++) {
		numbers[positions[number]] = number;
		r = put_rule(e, positions[number], number);
	}
	if (r < 0)
		return r;
	return buf_append(&e->section[IMAGE_SECTION_order], numbers, n * sizeof(*numbers));
}

static int put_set(struct emit *e, const uint64_t *row, uint32_t *ret)
{
	return rows_put(&e->rows, row, &e->section[IMAGE_SECTION_bits], ret);
}

/* Slots for n names: at most half of them are taken. */
static uint32_t *new_slots(size_t n, size_t *ret_n)
{
	*ret_n = 2;
	while (*ret_n < 2 * n)
		*ret_n *= 2;
	return calloc(*ret_n, sizeof(uint32_t));
}

/* Links record `i` in front of its slot's chain. */
static uint32_t link_slot(uint32_t *slots, size_t n_slots, struct slice a, struct slice b,
			  uint32_t i)
{
	uint32_t *slot = &slots[image_slot(n_slots, a, b)], next = *slot;

	*slot = i + 1;
	return next;
}

static int put_workloads(struct emit *e)
{
	size_t n = e->dr->workload_names.n, n_slots;
	_cleanup_free_ uint32_t *slots = new_slots(n, &n_slots);

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct draft_workload *w = &e->dr->workloads[i];
		struct image_workload out = {
			.direct_keys = w->direct_keys,
			.first_label = COUNT(e, labels, struct image_pair),
			.n_labels = (uint32_t)w->n_labels,
		};
		struct slice name = e->dr->workload_names.name[i];
		int r = put_text(e, name, &out.name);

		if (r == 0)
			r = put_set(e, e->rows.workload[i], &out.set);
		if (r == 0)
			r = put_pairs(e, &e->section[IMAGE_SECTION_labels], w->labels, w->n_labels);
		out.next = link_slot(slots, n_slots, name, SLICE(""), i);
		if (r == 0)
			r = PUT(e, workloads, out);
		if (r < 0)
			return r;
	}
	return buf_append(&e->section[IMAGE_SECTION_workload_slots], slots,
			  n_slots * sizeof(*slots));
}

static int put_providers(struct emit *e)
{
	for (unsigned i = 0; i < catalogue_providers(e->dr->cat); i++) {
		const struct catalogue_provider *p = catalogue_provider(e->dr->cat, i);
		struct image_provider out;
		int r = put_text(e, p->name, &out.name);

		if (r == 0)
			r = put_text(e, p->trust, &out.trust);
		if (r == 0)
			r = put_set(e, e->rows.provider[i], &out.set);
		if (r == 0)
			r = PUT(e, providers, out);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool kind_has_model(const struct catalogue *cat, unsigned kind)
{
	const struct catalogue_operation *op;

	for (unsigned i = 0; (op = catalogue_operation(cat, i)); i++)
		if (op->kind == kind && op->model_path.n)
			return true;
	return false;
}

static int put_kinds(struct emit *e)
{
	for (unsigned i = 0; i < catalogue_kinds(e->dr->cat); i++) {
		struct image_kind out = { .has_model = kind_has_model(e->dr->cat, i) };
		int r = put_text(e, catalogue_kind_name(e->dr->cat, i), &out.name);

		if (r == 0)
			r = put_set(e, e->rows.kind[i], &out.set);
		if (r == 0)
			r = PUT(e, kinds, out);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Lengths are rounded down, so that there are few shapes however many lengths there are. */
static struct image_shape shape_of(struct slice pattern)
{
	size_t prefix = glob_prefix(pattern), suffix = glob_suffix(pattern);

	if (!glob_is_pattern(pattern))
		return (struct image_shape){ IMAGE_EXACT, 0 };
	return (struct image_shape){
		.prefix = (uint16_t)(prefix <= 16 ? prefix : prefix & ~7u),
		.suffix = (uint16_t)(suffix <= 8 ? suffix : suffix & ~7u),
	};
}

static int put_shape(struct emit *e, struct image_shape shape, uint32_t *ret)
{
	struct slice have = buf_slice(&e->section[IMAGE_SECTION_shapes]);

	for (*ret = 0; *ret < have.n / sizeof(shape); ++*ret)
		if (memcmp(have.p + *ret * sizeof(shape), &shape, sizeof(shape)) == 0)
			return 0;
	return PUT(e, shapes, shape);
}

/* The ends of a pattern that its shape looks at, as image_ends() does with a model. */
static void pattern_ends(struct image_shape shape, struct slice pattern, struct slice *prefix,
			 struct slice *suffix)
{
	(void)image_ends(shape, pattern, prefix, suffix);
}

static bool is_crowded(const struct image_pattern *all, uint32_t at, uint32_t shape)
{
	unsigned alike = 0;

	for (; at; at = all[at - 1].next)
		alike += all[at - 1].shape == shape;
	return alike >= ALIKE_MAX;
}

static int put_patterns(struct emit *e)
{
	size_t n = e->patterns.n, n_slots;
	_cleanup_free_ struct image_pattern *all = calloc(n + 1, sizeof(*all));
	_cleanup_free_ uint32_t *slots = new_slots(n, &n_slots);

	if (!slots || !all)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct slice text = e->patterns.name[i], prefix, suffix;
		struct image_shape shape = shape_of(text);
		int r = put_text(e, text, &all[i].text);

		if (r == 0)
			r = put_shape(e, shape, &all[i].shape);
		if (r == 0)
			r = put_set(e, e->rows.pattern[i], &all[i].set);
		if (r < 0)
			return r;
		pattern_ends(shape, text, &prefix, &suffix);
		all[i].next = link_slot(slots, n_slots, prefix, suffix, i);
		if (is_crowded(all, all[i].next, all[i].shape))
			return json_doc_error(
				e->dr->doc, e->dr->d, json_doc_root(e->dr->doc), "rules", false,
				"more than %d model patterns begin and end as \"%.63s\" "
				"does; put more in front of the first * or ?, or behind "
				"the last",
				ALIKE_MAX, text.p);
	}
	if (buf_append(&e->section[IMAGE_SECTION_patterns], all, n * sizeof(*all)) < 0)
		return -EMSGSIZE;
	return buf_append(&e->section[IMAGE_SECTION_pattern_slots], slots,
			  n_slots * sizeof(*slots));
}

static int put_all(struct emit *e)
{
	const struct draft *dr = e->dr;
	int r = rows_init(&e->rows, dr->n_rules, dr->workload_names.n, catalogue_providers(dr->cat),
			  catalogue_kinds(dr->cat));

	if (r == 0)
		r = put_rules(e);
	if (r == 0)
		r = put_workloads(e);
	if (r == 0)
		r = put_providers(e);
	if (r == 0)
		r = put_kinds(e);
	if (r == 0)
		r = put_patterns(e);
	if (r == 0)
		r = put_set(e, e->rows.any_workload, &e->head.any_workload);
	return r < 0 ? r : put_set(e, e->rows.any_model, &e->head.any_model);
}

static int join(struct emit *e, struct buf *ret)
{
	static const uint32_t record[] = {
#define X(name, type) sizeof(type),
		IMAGE_SECTIONS(X)
#undef X
	};
	static const char padding[8];
	int r;

	e->head.magic = IMAGE_MAGIC;
	e->head.version = IMAGE_VERSION;
	e->head.size = sizeof(e->head);
	for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++) {
		e->head.section[i].at = e->head.size;
		e->head.section[i].n = buf_len(&e->section[i]) / record[i];
		e->head.size += (buf_len(&e->section[i]) + 7) & ~UINT64_C(7);
	}
	if (e->head.size > IMAGE_MAX)
		return -EMSGSIZE;
	r = buf_append(ret, &e->head, sizeof(e->head));
	for (size_t i = 0; i < IMAGE_SECTION_COUNT && r == 0; i++) {
		r = buf_append_slice(ret, buf_slice(&e->section[i]));
		if (r == 0)
			r = buf_append(ret, padding, -buf_len(&e->section[i]) & 7);
	}
	return r;
}

int emit_image(struct draft *dr, struct buf *ret)
{
	_cleanup_(emit_done) struct emit e = { .dr = dr };
	int r;

	for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++)
		buf_init(&e.section[i], IMAGE_MAX);
	r = put_all(&e);
	if (r == 0)
		r = join(&e, ret);
	if (r == -EMSGSIZE)
		(void)json_doc_error(dr->doc, dr->d, NULL, NULL, false,
				     "the compiled policy exceeds %u MiB", IMAGE_MAX >> 20);
	return r;
}
