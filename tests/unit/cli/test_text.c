/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing that a workload names itself reaches a terminal as more than text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/cli/text.c"

static void assert_escaped(const char *bytes, size_t n, const char *want)
{
	char *got = text_escaped(slice_of(bytes, n));

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

#define ESCAPED(bytes, want) assert_escaped(bytes, sizeof(bytes) - 1, want)

static void plain_text_stays(void **state)
{
	(void)state;
	ESCAPED("", "");
	ESCAPED("/usr/bin/node gpt-4o-mini", "/usr/bin/node gpt-4o-mini");
	ESCAPED("na\xc3\xafve \xe6\xa8\xa1\xe5\x9e\x8b \xf0\x9f\xa6\x8a",
		"na\xc3\xafve \xe6\xa8\xa1\xe5\x9e\x8b \xf0\x9f\xa6\x8a");
}

static void terminal_sequences_lose_their_power(void **state)
{
	(void)state;
	ESCAPED("\x1b[2J", "\\x1b[2J");
	ESCAPED("\x1b]52;c;ZXZpbA==\a", "\\x1b]52;c;ZXZpbA==\\x07");
	ESCAPED("a\rb\nc\td\x7f", "a\\x0db\\nc\\td\\x7f");
	ESCAPED("a\0b", "a\\x00b");
	ESCAPED("\xc2\x9b"
		"31m",
		"\\u{9b}31m"); /* CSI in one C1 character */
}

static void reordering_and_hidden_text_shows(void **state)
{
	(void)state;
	ESCAPED("\xe2\x80\xae"
		"txt",
		"\\u{202e}txt");
	ESCAPED("\xe2\x81\xa6", "\\u{2066}");
	ESCAPED("a\xe2\x80\x8b"
		"b",
		"a\\u{200b}b");
	ESCAPED("\xef\xbb\xbf", "\\u{feff}");
	ESCAPED("\xd8\x9c", "\\u{61c}");
	ESCAPED("\xf3\xa0\x81\x81", "\\u{e0041}");
	ESCAPED("\xe2\x80\xa8", "\\u{2028}");
}

static void escapes_cannot_be_forged(void **state)
{
	(void)state;
	ESCAPED("\\x1b", "\\\\x1b");
	ESCAPED("\\", "\\\\");
}

static void what_is_no_utf8_is_shown_as_bytes(void **state)
{
	(void)state;
	ESCAPED("\xff\xfe", "\\xff\\xfe");
	ESCAPED("\xc0\x80", "\\xc0\\x80"); /* overlong NUL */
	ESCAPED("\xe0\x82\x9b", "\\xe0\\x82\\x9b"); /* overlong CSI */
	ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
	ESCAPED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	ESCAPED("a\xe2\x80", "a\\xe2\\x80"); /* cut short */
}

static void width_counts_characters(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("na\xc3\xafve"), 5);
}

/* Every byte alone, and every byte after a first one of each kind: never a control out. */
static void no_input_yields_a_control_character(void **state)
{
	static const char *const firsts[] = { "", "\xc2", "\xe2\x80", "\xf3\xa0\x80", "\\" };

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(firsts); f++)
		for (int c = 0; c < 256; c++) {
			char bytes[8], *got;
			size_t n = slice_copy(slice_str(firsts[f]), bytes, sizeof(bytes));

			bytes[n] = (char)c;
			got = text_escaped(slice_of(bytes, n + 1));
			assert_non_null(got);
			for (const char *p = got; *p; p++) {
				assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
				if ((unsigned char)*p == 0xc2)
					assert_true((unsigned char)p[1] >= 0xa0);
			}
			free(got);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays),
		cmocka_unit_test(terminal_sequences_lose_their_power),
		cmocka_unit_test(reordering_and_hidden_text_shows),
		cmocka_unit_test(escapes_cannot_be_forged),
		cmocka_unit_test(what_is_no_utf8_is_shown_as_bytes),
		cmocka_unit_test(width_counts_characters),
		cmocka_unit_test(no_input_yields_a_control_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
