/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image may be corrupt: opening it either fails, or everything asked of it stays inside and
 * ends. Run under ASan, this is the proof; each image is a heap block of exactly its size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "provider/catalogue_image.h"

#include "tests/unit/provider/compiled.h"

static const char small[] =
	"{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"openai\","
	" \"hosts\": [\"a.com\", \"*.b.com\", \"x.*.c.com\", \"*-y.d.com\"], \"cidrs\": "
	"[\"10.0.0.0/8\"],"
	" \"credential\": { \"field\": \"authorization\", \"prefix\": \"Bearer \" },"
	" \"placeholder\": \"sk-egret-placeholder\", \"env\": [\"A\"], \"key_prefixes\": [\"sk-\"],"
	" \"operations\": ["
	"  { \"name\": \"chat\", \"requests\": [\"POST /v1/chat\"], \"body\": \"json\", \"model\": "
	"\"model\","
	"    \"max_tokens\": [\"m\", \"n\"], \"stream\": \"stream\", \"output\": true },"
	"  { \"name\": \"gen\", \"requests\": [\"POST /v1/{model}:go\"], \"body\": \"none\" } ] } "
	"} }";

static volatile size_t touched;

static void touch(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		touched += (unsigned char)s.p[i];
}

static void touch_list(struct slice const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		touch(list[i]);
}

static void walk_lists(const struct catalogue *c)
{
	const struct catalogue_operation *op;
	const struct catalogue_provider *p;

	for (unsigned i = 0; (p = catalogue_provider(c, i)); i++) {
		touch(p->name);
		touch(p->trust);
		touch(p->dialect);
		touch(p->credential_field);
		touch(p->credential_prefix);
		touch(p->placeholder);
		touch_list(p->env, p->n_env);
		touch_list(p->key_prefixes, p->n_key_prefixes);
		touch_list(p->hosts, p->n_hosts);
	}
	for (unsigned i = 0; (op = catalogue_operation(c, i)); i++) {
		touch(op->name);
		touch(op->model_path);
		touch(op->model_from_path);
		touch(op->stream_path);
		touch_list(op->max_tokens_paths, op->n_max_tokens_paths);
		touch(catalogue_kind_name(c, op->kind));
		assert_in_range(op->body, CATALOGUE_BODY_NONE, CATALOGUE_BODY_OPAQUE);
	}
}

static void look_everything_up(const struct catalogue *c)
{
	static const char *const hosts[] = { "a.com",	  "q.r.b.com",	 "x.q.c.com",
					     "q-y.d.com", "q-q-y.d.com", "none.example" };
	static const char *const paths[] = { "/", "/v1/chat", "/v1/m:go", "/v1/x/y" };
	struct slice s = { "", 0 };
	struct eg_endpoint_key key;
	unsigned provider;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_true(catalogue_find_host(c, slice_str(hosts[i])) <
			    (int)catalogue_providers(c));
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int op = catalogue_find_operation(c, 0, SLICE("POST"), slice_str(paths[i]), &s);

		touch(s);
		assert_true(op < 0 || catalogue_operation(c, (unsigned)op));
	}
	(void)catalogue_find_provider(c, SLICE("a"));
	(void)catalogue_find_kind(c, SLICE("chat"));
	(void)catalogue_find_key_prefix(c, SLICE("sk-0123"), &n);
	(void)catalogue_is_placeholder(c, SLICE("sk-egret-placeholder"));
	touch(catalogue_find_credential_field(c, SLICE("Authorization")));
	for (size_t i = 0; catalogue_name_at(c, i, &s, &provider); i++)
		touch(s);
	for (size_t i = 0; catalogue_cidr_at(c, i, &key, &provider); i++)
		assert_true(key.prefix_len <= 128);
}

/* True when it opened. */
static bool attack(const void *image, size_t n)
{
	_cleanup_free_ char *copy = malloc(n ? n : 1);
	struct catalogue *c = NULL;
	int r;

	assert_non_null(copy);
	memcpy(copy, image, n);
	r = catalogue_open(copy, n, &c);
	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_null(c);
		return false;
	}
	walk_lists(c);
	look_everything_up(c);
	catalogue_free(c);
	return true;
}

static void opens_what_was_compiled(void **state)
{
	struct compiled t;

	(void)state;
	compiled_init(&t, small);
	assert_true(attack(t.image.p, buf_len(&t.image)));
	compiled_done(&t);
}

static void survives_every_byte_changed(void **state)
{
	static const unsigned char flips[] = { 0x01, 0x80, 0xff };
	struct compiled t;
	size_t refused = 0;

	(void)state;
	compiled_init(&t, small);
	for (size_t i = 0; i < buf_len(&t.image); i++)
		for (size_t j = 0; j < ARRAY_SIZE(flips); j++) {
			t.image.p[i] = (char)(t.image.p[i] ^ flips[j]);
			refused += !attack(t.image.p, buf_len(&t.image));
			t.image.p[i] = (char)(t.image.p[i] ^ flips[j]);
		}
	/* Most of an image is offsets and the empty half of the table; strings may change. */
	assert_true(refused > buf_len(&t.image) / 4);
	compiled_done(&t);
}

static void refuses_every_length_but_its_own(void **state)
{
	_cleanup_free_ char *longer = NULL;
	struct compiled t;

	(void)state;
	compiled_init(&t, small);
	for (size_t n = 0; n < buf_len(&t.image); n++)
		assert_false(attack(t.image.p, n));
	longer = calloc(1, buf_len(&t.image) + 8);
	assert_non_null(longer);
	memcpy(longer, t.image.p, buf_len(&t.image));
	assert_false(attack(longer, buf_len(&t.image) + 8));
	compiled_done(&t);
}

static void refuses_an_image_that_is_not_aligned(void **state)
{
	_cleanup_free_ char *room = NULL;
	struct catalogue *c = NULL;
	struct compiled t;

	(void)state;
	compiled_init(&t, small);
	room = malloc(buf_len(&t.image) + 1);
	assert_non_null(room);
	memcpy(room + 1, t.image.p, buf_len(&t.image));
	assert_int_equal(catalogue_open(room + 1, buf_len(&t.image), &c), -EINVAL);
	compiled_done(&t);
}

/* The section's element in a copy that may be written to. */
static void *element(struct compiled *t, enum image_section section)
{
	const struct image_header *h = (const void *)t->image.p;

	return t->image.p + h->section[section].off;
}

static void refuses_a_table_without_room(void **state)
{
	struct compiled t;
	struct image_header *h;
	struct image_entry *e;

	(void)state;
	compiled_init(&t, small);
	h = (void *)t.image.p;
	e = element(&t, IMAGE_entries);
	for (uint32_t i = 0; i < h->section[IMAGE_entries].n; i++)
		if (e[i].class == IMAGE_EMPTY)
			e[i] = (struct image_entry){ .class = IMAGE_KIND };
	assert_false(attack(t.image.p, buf_len(&t.image)));
	compiled_done(&t);
}

/* An edge back to its own node, and two edges to one: a walk would not end, or take for ever. */
static void refuses_walks_that_are_no_tree(void **state)
{
	struct image_entry *e;
	struct compiled t;
	uint32_t n, loops = 0, joins = 0;

	(void)state;
	compiled_init(&t, small);
	n = ((const struct image_header *)(const void *)t.image.p)->section[IMAGE_entries].n;
	e = element(&t, IMAGE_entries);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t saved = e[i].value;

		if (e[i].class != IMAGE_EDGE)
			continue;
		e[i].value = e[i].node;
		assert_false(attack(t.image.p, buf_len(&t.image)));
		loops++;
		for (uint32_t j = 0; j < i; j++) {
			if (e[j].class != IMAGE_EDGE || e[j].value <= e[i].node)
				continue;
			e[i].value = e[j].value;
			assert_false(attack(t.image.p, buf_len(&t.image)));
			joins++;
		}
		e[i].value = saved;
	}
	assert_true(loops > 5 && joins > 5);
	assert_true(attack(t.image.p, buf_len(&t.image)));
	compiled_done(&t);
}

static void refuses_another_version(void **state)
{
	struct image_header *h;
	struct compiled t;

	(void)state;
	compiled_init(&t, small);
	h = (void *)t.image.p;
	h->version++;
	assert_false(attack(t.image.p, buf_len(&t.image)));
	assert_null(catalogue_free(NULL));
	compiled_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_was_compiled),
		cmocka_unit_test(survives_every_byte_changed),
		cmocka_unit_test(refuses_every_length_but_its_own),
		cmocka_unit_test(refuses_an_image_that_is_not_aligned),
		cmocka_unit_test(refuses_a_table_without_room),
		cmocka_unit_test(refuses_walks_that_are_no_tree),
		cmocka_unit_test(refuses_another_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
