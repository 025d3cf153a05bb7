/* SPDX-License-Identifier: Apache-2.0 */
/* Interned names and "did you mean". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/names.h"
#include "base/nearest.h"

static void numbers_follow_the_order_of_adding(void **state)
{
	struct names t = { 0 };
	bool new;

	(void)state;
	assert_int_equal(names_find(&t, SLICE("a")), -1);
	assert_int_equal(names_add(&t, SLICE("a"), &new), 0);
	assert_true(new);
	assert_int_equal(names_add(&t, SLICE(""), NULL), 1);
	assert_int_equal(names_add(&t, SLICE("a"), &new), 0);
	assert_false(new);
	assert_int_equal(names_find(&t, SLICE("")), 1);
	assert_int_equal(names_find(&t, SLICE("A")), -1);
	names_done(&t);
	assert_int_equal(names_find(&t, SLICE("a")), -1);
}

static void all_are_found_after_growing(void **state)
{
	enum { N = 20000 };
	static char text[N][8];
	struct names t = { 0 };

	(void)state;
	for (int i = 0; i < N; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "n%d", i);
		assert_int_equal(names_add(&t, slice_str(text[i]), NULL), i);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(names_find(&t, slice_str(text[i])), i);
	assert_int_equal(names_find(&t, SLICE("n20000")), -1);
	names_done(&t);
}

static void hint(const char *word, const char *candidate, const char *expected)
{
	struct nearest m;
	char text[80];

	nearest_init(&m, slice_str(word));
	nearest_offer(&m, slice_str(candidate));
	nearest_hint(&m, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void only_what_is_near_is_meant(void **state)
{
	char longest[200];

	(void)state;
	hint("openia", "openai", "; did you mean \"openai\"?");
	hint("chat", "messages", "");
	hint("x", "y", "");
	hint("", "ab", "");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	hint(longest, longest + 1, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_follow_the_order_of_adding),
		cmocka_unit_test(all_are_found_after_growing),
		cmocka_unit_test(only_what_is_near_is_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
