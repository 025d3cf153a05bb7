/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged image is refused, or decides something; it is never read outside its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "compiled.h"
#include "policy/explain.h"
#include "policy/image.h"

static const char text[] =
	"{\"workloads\":{\"a\":{\"labels\":{\"l\":\"v\"}},\"b\":{},\"c\":{}},\"rules\":["
	"{\"id\":\"d\",\"when\":{\"model\":[\"x*\",\"*y\",\"z\"],\"provider\":\"openai\"},\"deny\":"
	"\"no\"},"
	"{\"id\":\"a1\",\"when\":{\"label.l\":\"v\",\"operation\":[\"chat\",\"models\"]},"
	"\"allow\":{\"credential\":\"k\",\"headers\":{\"x-a\":\"1\"}}},"
	"{\"id\":\"a2\",\"when\":{\"workload\":[\"b\",\"unknown\"]},\"allow\":{\"max_tokens\":5}},"
	"{\"id\":\"s\",\"deny\":\"t\",\"shadow\":true}]}";

/* The image at the very end of a mapping, with nothing behind it. */
struct guarded {
	char *map, *image;
	size_t size, n;
};

static struct guarded guard(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (n + page - 1) / page * page;
	char *map =
		mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + size, page, PROT_NONE), 0);
	return (struct guarded){ map, map + size - n, size + page, n };
}

static int look(void *ctx, const struct policy_explained *e)
{
	size_t *sum = ctx;

	for (size_t i = 0; i < e->id.n; i++)
		*sum += (unsigned char)e->id.p[i];
	for (size_t i = 0; i < e->wanted.n; i++)
		*sum += (unsigned char)e->wanted.p[i];
	return 0;
}

static size_t sum_of(struct slice s)
{
	size_t sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum += (unsigned char)s.p[i];
	return sum;
}

/* Touches whatever can be reached through the interface. */
static bool use(const void *mem, size_t n)
{
	struct policy *p = NULL;
	size_t sum = 0;

	if (policy_open(mem, n, &p) < 0)
		return false;
	for (unsigned w = 0; w < 5; w++)
		for (unsigned i = 0; i < 12; i++) {
			static const char *const models[] = { "", "xx", "yy", "z" };
			struct policy_facts f = { w, i % 4, i / 2, slice_str(models[i % 4]),
						  false };
			struct policy_decision d;
			struct slice a, b;

			policy_decide(p, &f, &d);
			sum += sum_of(d.rule) + sum_of(d.text) + sum_of(d.credential);
			sum += sum_of(d.shadow_rule) + sum_of(policy_workload_name(p, w));
			for (size_t k = 0; k < d.n_headers; k++)
				sum += sum_of(d.headers[k].name) + sum_of(d.headers[k].value);
			if (policy_label_at(p, w, 0, &a, &b))
				sum += sum_of(a) + sum_of(b);
			assert_int_equal(policy_explain(p, &f, look, &sum), 0);
		}
	(void)policy_find_workload(p, SLICE("c"));
	(void)policy_free(p);
	return sum > 0;
}

static void make(struct guarded *g)
{
	struct compiled c;

	assert_int_equal(compile_text(text, &c), 0);
	*g = guard(buf_len(&c.image));
	memcpy(g->image, buf_slice(&c.image).p, g->n);
	compiled_done(&c);
}

static void every_bit_may_flip(void **state)
{
	struct guarded g;
	size_t refused = 0;

	(void)state;
	make(&g);
	assert_true(use(g.image, g.n));
	for (size_t i = 0; i < g.n * 8; i++) {
		g.image[i / 8] ^= (char)(1 << i % 8);
		refused += !use(g.image, g.n);
		g.image[i / 8] ^= (char)(1 << i % 8);
	}
	assert_true(refused > g.n);
	assert_true(use(g.image, g.n));
	assert_int_equal(munmap(g.map, g.size), 0);
}

static void every_word_may_be_anything(void **state)
{
	static const uint32_t values[] = { 0,	       1,	   7,	    0x7fffffff,
					   0x80000000, UINT32_MAX, 0x10000, 0xfffffff8 };
	struct guarded g;

	(void)state;
	make(&g);
	for (size_t i = 0; i + 4 <= g.n; i += 4)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			uint32_t was;

			memcpy(&was, g.image + i, 4);
			memcpy(g.image + i, &values[v], 4);
			(void)use(g.image, g.n);
			memcpy(g.image + i, &was, 4);
		}
	assert_int_equal(munmap(g.map, g.size), 0);
}

static void every_length_is_refused_but_one(void **state)
{
	struct guarded g;

	(void)state;
	make(&g);
	for (size_t n = 0; n < g.n; n++) {
		struct guarded cut = guard((n + 7) & ~(size_t)7);

		memcpy(cut.image, g.image, n);
		assert_false(use(cut.image, n));
		/* Also when it claims to be so long. */
		if (n >= sizeof(struct image_head)) {
			((struct image_head *)(void *)cut.image)->size = n;
			(void)use(cut.image, n);
		}
		assert_int_equal(munmap(cut.map, cut.size), 0);
	}
	assert_int_equal(munmap(g.map, g.size), 0);
}

static void what_is_no_image_is_refused(void **state)
{
	static const uint64_t zeros[64];
	struct policy *p;
	struct guarded g;

	(void)state;
	make(&g);
	assert_int_equal(policy_open(NULL, 0, &p), -EINVAL);
	assert_int_equal(policy_open(zeros, sizeof(zeros), &p), -EINVAL);
	memmove(g.image - 4, g.image, g.n);
	assert_int_equal(policy_open(g.image - 4, g.n, &p), -EINVAL);
	assert_int_equal(munmap(g.map, g.size), 0);
	assert_null(policy_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_may_flip),
		cmocka_unit_test(every_word_may_be_anything),
		cmocka_unit_test(every_length_is_refused_but_one),
		cmocka_unit_test(what_is_no_image_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
