/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static bool is_valid(struct slice s)
{
	return utf8_valid_prefix(s) == s.n;
}

static void valid_sequences_pass(void **state)
{
	(void)state;
	assert_true(is_valid(SLICE("")));
	assert_true(is_valid(SLICE("plain")));
	assert_true(is_valid(SLICE("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf")));
	assert_true(is_valid(SLICE("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")));
}

static void bad_sequences_do_not(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xc2",
		"\xe2\x82",
		"\xf0\x90\x80",
		"\xe2\x28\xa1",
		"\xe2\x82\x28",
		"a\xc3(",
		"\xf0\x90\x28\x80",
		"\xf0\x90\x80\x28",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(is_valid(slice_str(bad[i])));
}

static void text_has_no_control_characters(void **state)
{
	(void)state;
	assert_true(utf8_is_text(SLICE("gpt-4o \xc3\xa9 \xc2\xa0")));
	assert_false(utf8_is_text(SLICE("a\nb")));
	assert_false(utf8_is_text(slice_of("a\0b", 3)));
	assert_false(utf8_is_text(SLICE("a\x7f")));
	assert_false(utf8_is_text(SLICE("a\xc2\x85")));
	assert_false(utf8_is_text(SLICE("a\xff")));
}

static void case_is_all_that_differs(void **state)
{
	(void)state;
	assert_true(utf8_same_but_case(SLICE("max_tokens"), SLICE("max_tokens")));
	assert_true(utf8_same_but_case(SLICE("MAX_Tokens"), SLICE("max_tokens")));
	assert_true(
		utf8_same_but_case(SLICE("max_to\xe2\x84\xaa\x65n\xc5\xbf"), SLICE("max_tokens")));
	assert_true(utf8_same_but_case(SLICE(""), SLICE("")));
	assert_false(utf8_same_but_case(SLICE("max-tokens"), SLICE("max_tokens")));
	assert_false(utf8_same_but_case(SLICE("max_token"), SLICE("max_tokens")));
	assert_false(utf8_same_but_case(SLICE("max_tokenss"), SLICE("max_tokens")));
	assert_false(utf8_same_but_case(SLICE("max_token\xc5"), SLICE("max_tokens")));
	assert_false(utf8_same_but_case(SLICE(""), SLICE("m")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_sequences_pass),
		cmocka_unit_test(bad_sequences_do_not),
		cmocka_unit_test(case_is_all_that_differs),
		cmocka_unit_test(text_has_no_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
