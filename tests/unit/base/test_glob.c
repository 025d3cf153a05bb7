/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: against a slow matcher that is plainly right, and against texts made to be slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/glob.h"

static bool slow(struct slice p, struct slice t, bool path)
{
	bool deep = path && p.n > 1 && p.p[0] == '*' && p.p[1] == '*';
	struct slice rest = slice_of(p.p + (deep ? 2 : 1), p.n - (deep ? 2 : p.n ? 1 : 0));

	if (!p.n)
		return !t.n;
	if (p.p[0] == '*') {
		for (size_t i = 0;; i++) {
			if (slow(rest, slice_of(t.p + i, t.n - i), path))
				return true;
			if (i == t.n || (path && !deep && t.p[i] == '/'))
				return false;
		}
	}
	if (!t.n)
		return false;
	if (p.p[0] == '?' ? path && t.p[0] == '/'
			  : (path ? p.p[0] != t.p[0] : ascii_lower(p.p[0]) != ascii_lower(t.p[0])))
		return false;
	return slow(rest, slice_of(t.p + 1, t.n - 1), path);
}

/* The same numbers in every run: a failure can be repeated. */
static uint32_t draw(void)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static size_t write_random(char *to, size_t max, const char *from)
{
	size_t n = draw() % (max + 1);

	for (size_t i = 0; i < n; i++)
		to[i] = from[draw() % strlen(from)];
	return n;
}

static void both_agree_with_a_slow_matcher(void **state)
{
	(void)state;
	for (int i = 0; i < 400000; i++) {
		char p[10], t[12];
		struct slice pattern = slice_of(p, write_random(p, sizeof(p), "ab/**?A"));
		struct slice text = slice_of(t, write_random(t, sizeof(t), "aabb//B"));

		if (glob_match(pattern, text) != slow(pattern, text, false))
			fail_msg("names: \"" SLICE_FMT "\" on \"" SLICE_FMT "\"",
				 SLICE_ARG(pattern), SLICE_ARG(text));
		if (glob_match_path(pattern, text) != slow(pattern, text, true))
			fail_msg("paths: \"" SLICE_FMT "\" on \"" SLICE_FMT "\"",
				 SLICE_ARG(pattern), SLICE_ARG(text));
	}
}

static void stars_stop_at_slashes_in_paths_only(void **state)
{
	(void)state;
	assert_true(glob_match(SLICE("meta*"), SLICE("meta-llama/Llama-3")));
	assert_false(glob_match_path(SLICE("/a/*"), SLICE("/a/b/c")));
	assert_true(glob_match_path(SLICE("/a/**"), SLICE("/a/b/c")));
	assert_false(glob_match_path(SLICE("/a?b"), SLICE("/a/b")));
	assert_false(glob_match_path(SLICE("/A"), SLICE("/a")));
	assert_true(glob_match(SLICE("GPT-*"), SLICE("gpt-4")));
}

static void text_that_looks_like_a_pattern_is_text(void **state)
{
	(void)state;
	assert_false(glob_match(SLICE("a"), SLICE("*")));
	assert_false(glob_match_path(SLICE("/x/agent"), SLICE("/x/**")));
	assert_true(glob_match_path(SLICE("/x/*"), SLICE("/x/*?\n")));
}

static void nothing_makes_it_blow_up(void **state)
{
	char pattern[128], text[4096];
	uint64_t begin = clock_mono_us();

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 1] = 'b';
	assert_false(glob_match(slice_of(pattern, sizeof(pattern)), slice_of(text, sizeof(text))));
	assert_false(glob_match_path(slice_of(pattern, sizeof(pattern)), slice_of(text, 255)));
	/* A matcher that recurses would need longer than the universe has. */
	assert_true(clock_mono_us() - begin < 2000000);
}

static void ends_are_what_stands_outside_the_wildcards(void **state)
{
	(void)state;
	assert_int_equal(glob_prefix(SLICE("gpt-*-pro*x")), 4);
	assert_int_equal(glob_suffix(SLICE("gpt-*-pro*x")), 1);
	assert_int_equal(glob_prefix(SLICE("gpt")), 3);
	assert_int_equal(glob_suffix(SLICE("gpt")), 0);
	assert_int_equal(glob_prefix(SLICE("*")), 0);
	assert_int_equal(glob_suffix(SLICE("*")), 0);
	assert_false(glob_is_pattern(SLICE("gpt-4")));
	assert_true(glob_is_pattern(SLICE("gpt-?")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_agree_with_a_slow_matcher),
		cmocka_unit_test(stars_stop_at_slashes_in_paths_only),
		cmocka_unit_test(text_that_looks_like_a_pattern_is_text),
		cmocka_unit_test(nothing_makes_it_blow_up),
		cmocka_unit_test(ends_are_what_stands_outside_the_wildcards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
