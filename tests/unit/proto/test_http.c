/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of the list is recognised in any case, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/http.h"

static const char *const names[HTTP_FIELD_COUNT] = {
#define X(id, name) [HTTP_##id] = name,
	HTTP_FIELDS(X)
#undef X
};

static void recognises_every_field(void **state)
{
	(void)state;
	for (int id = 1; id < HTTP_FIELD_COUNT; id++) {
		char upper[32];
		size_t n = strlen(names[id]);

		assert_true(n < sizeof(upper));
		for (size_t i = 0; i < n; i++)
			upper[i] = (char)(names[id][i] >= 'a' && names[id][i] <= 'z'
						  ? names[id][i] - 32
						  : names[id][i]);
		assert_int_equal(http_field_id(slice_of(names[id], n)), id);
		assert_int_equal(http_field_id(slice_of(upper, n)), id);
	}
}

static void recognises_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(http_field_id(SLICE("")), HTTP_other);
	for (int id = 1; id < HTTP_FIELD_COUNT; id++) {
		size_t n = strlen(names[id]);

		for (size_t i = 0; i < n; i++) {
			char bent[32];

			memcpy(bent, names[id], n);
			bent[i] = '_';
			assert_int_equal(http_field_id(slice_of(bent, n)), HTTP_other);
		}
		assert_int_equal(http_field_id(slice_of(names[id], n - 1)), HTTP_other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recognises_every_field),
		cmocka_unit_test(recognises_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
