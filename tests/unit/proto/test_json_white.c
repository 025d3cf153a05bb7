/* SPDX-License-Identifier: Apache-2.0 */
/* White space between tokens is four bytes (RFC 8259 2), and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/json_scan.h"

static enum json_scan_result scan(const char *text)
{
	static const struct json_scan_want want = { "model", 1u << JSON_SCAN_STRING };
	struct json_scan_plan plan;
	enum json_scan_result r;
	struct json_scan *s;
	struct pool pool;

	pool_init(&pool, 1 << 20);
	assert_int_equal(json_scan_plan(&want, 1, &plan), 0);
	s = json_scan_new(&plan, 100, &pool);
	assert_non_null(s);
	r = json_scan_finish(s, slice_str(text));
	(void)json_scan_free(s);
	pool_clear(&pool, false);
	return r;
}

/* `?` stands for the byte. */
static void between_any_two_tokens(void **state)
{
	static const char *const forms[] = {
		"?{\"model\":\"a\"}",		"{?\"model\":\"a\"}",
		"{\"model\"?:\"a\"}",		"{\"model\":?\"a\"}",
		"{\"model\":\"a\"?}",		"{\"model\":\"a\"}?",
		"{\"model\":\"a\",?\"b\":[1]}", "{\"model\":\"a\",\"b\":[?1]}",
	};

	(void)state;
	for (unsigned byte = 1; byte < 128; byte++) {
		if (strchr("0123456789-[]{},:\"", (int)byte))
			continue; /* tokens, or their beginnings */
		for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
			char text[64];

			(void)slice_copy(slice_str(forms[i]), text, sizeof(text));
			*strchr(text, '?') = (char)byte;
			assert_int_equal(scan(text), strchr(" \t\r\n", (int)byte)
							     ? JSON_SCAN_OK
							     : JSON_SCAN_MALFORMED);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(between_any_two_tokens) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
