/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "control/rows.h"

static void assert_member(json_t *row, const char *key, const char *want)
{
	const char *have = json_string_value(json_object_get(row, key));

	assert_non_null(have);
	assert_string_equal(have, want);
}

static void broken_text_is_repaired_not_lost(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xffz", "a\xef\xbf\xbdz" },
		{ "cut\xe2\x82", "cut\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *t = rows_text(cases[i].in, 64);

		assert_non_null(t);
		assert_string_equal(json_string_value(t), cases[i].want);
		json_decref(t);
	}
}

static void text_ends_at_its_bound(void **state)
{
	json_t *t = rows_text("abcdef", 3);

	(void)state;
	assert_string_equal(json_string_value(t), "abc");
	json_decref(t);
}

static void endpoints_read_as_people_write_them(void **state)
{
	struct eg_endpoint_key k = { .prefix_len = 96 + 24 };
	struct eg_endpoint e = { .provider = 3, .source = EG_ENDPOINT_RESOLVED, .since_ns = 1000 };
	json_t *row;

	(void)state;
	k.addr.a[2] = htonl(0xffff);
	k.addr.a[3] = htonl(0xc0000200);
	row = rows_endpoint(&k, &e, NULL, 5001000);
	assert_member(row, "address", "192.0.2.0/24");
	assert_member(row, "provider", "#2");
	assert_member(row, "source", "resolved");
	assert_int_equal(json_integer_value(json_object_get(row, "age_us")), 5000);
	json_decref(row);

	assert_int_equal(inet_pton(AF_INET6, "2001:db8::", &k.addr), 1);
	k.prefix_len = 32;
	row = rows_endpoint(&k, &e, "openai", 0);
	assert_member(row, "address", "2001:db8::/32");
	assert_member(row, "provider", "openai");
	json_decref(row);
}

static void flow_with_a_hostile_name_has_a_row(void **state)
{
	struct eg_flow f = { .cookie = 7, .tgid = 42, .comm = "\xff\xfe\x1b[2J" };
	json_t *row = rows_flow(&f, NULL, 0);

	(void)state;
	assert_non_null(row);
	assert_int_equal(json_integer_value(json_object_get(row, "pid")), 42);
	assert_true(json_is_null(json_object_get(row, "provider")));
	json_decref(row);
}

static int keep_row(void *ctx, json_t *row)
{
	return json_array_append_new(ctx, row);
}

static void only_counters_that_counted_are_listed(void **state)
{
	struct inspect_counts c = { .events_lost = 5 };
	json_t *rows = json_array();

	(void)state;
	c.by[EG_HOOK_CONNECT4][EG_REASON_allowed] = 9;
	assert_int_equal(rows_counts(&c, keep_row, rows), 0);
	assert_int_equal(json_array_size(rows), 9);
	assert_member(json_array_get(rows, 0), "hook", "connect4");
	assert_member(json_array_get(rows, 0), "reason", "allowed");
	assert_member(json_array_get(rows, 1), "hook", "events_lost");
	json_decref(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_text_is_repaired_not_lost),
		cmocka_unit_test(text_ends_at_its_bound),
		cmocka_unit_test(endpoints_read_as_people_write_them),
		cmocka_unit_test(flow_with_a_hostile_name_has_a_row),
		cmocka_unit_test(only_counters_that_counted_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
