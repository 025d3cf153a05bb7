/* SPDX-License-Identifier: Apache-2.0 */
/* Times: what is accepted is exact, the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/cli/when.c"

#define NOW 1767268800000000ull /* 2026-01-01T12:00:00Z */

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} cases[] = {
		{ "0s", NOW },
		{ "90s", NOW - 90 * SECOND_US },
		{ "30m", NOW - 1800 * SECOND_US },
		{ "12h", NOW - 43200 * SECOND_US },
		{ "7d", NOW - 7 * 86400 * SECOND_US },
		{ "2026-01-01", NOW - 43200 * SECOND_US },
		{ "2026-01-01T12:00:00Z", NOW },
		{ "2026-01-01t12:00:00z", NOW },
		{ "2026-01-01 12:00:00Z", NOW },
		{ "2026-01-01T13:30:00+01:30", NOW },
		{ "2026-01-01T07:00:00-05:00", NOW },
		{ "2026-01-01T12:00:00.25Z", NOW + 250000 },
		{ "2026-01-01T12:00:00.1234567Z", NOW + 123456 },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2024-02-29", 1709164800 * SECOND_US },
		{ "2016-12-31T23:59:60Z", 1483228800 * SECOND_US }, /* a leap second */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t got = 1;

		if (when_parse(cases[i].text, NOW, &got) < 0 || got != cases[i].want)
			fail_msg("%s: %llu", cases[i].text, (unsigned long long)got);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"yesterday",
		"1",
		"1x",
		"1hh",
		"-1h",
		"h",
		"99999999999999999999s",
		"60000d",
		"2026",
		"2026-1-1",
		"2026-13-01",
		"2026-00-01",
		"2026-02-30",
		"2026-02-29",
		"1969-12-31",
		"2026-01-01T",
		"2026-01-01T12",
		"2026-01-01T12:00",
		"2026-01-01T12:00:00",
		"2026-01-01T24:00:00Z",
		"2026-01-01T12:60:00Z",
		"2026-01-01T12:00:61Z",
		"2026-01-01T12:00:00+25:00",
		"2026-01-01T12:00:00+0100",
		"2026-01-01T12:00:00Z ",
		"2026-01-01T12:00:00ZZ",
		"1970-01-01T00:00:00+01:00",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t got;

		if (when_parse(bad[i], NOW, &got) == 0)
			fail_msg("\"%s\" was taken for a time", bad[i]);
	}
}

static void times_are_written_so_that_they_can_be_read(void **state)
{
	char text[WHEN_MAX];
	uint64_t again;

	(void)state;
	when_format(NOW + 42000, text);
	assert_string_equal(text, "2026-01-01T12:00:00.042Z");
	assert_int_equal(when_parse(text, 0, &again), 0);
	assert_int_equal(again, NOW + 42000);
	when_format(UINT64_MAX, text); /* out of any calendar: no crash, no garbage */
	assert_true(strlen(text) < WHEN_MAX);
}

static void durations_are_short(void **state)
{
	static const struct {
		uint64_t us;
		const char *want;
	} cases[] = {
		{ 0, "0us" },
		{ 999, "999us" },
		{ 4200, "4.2ms" },
		{ 1500000, "1.5s" },
		{ 192 * SECOND_US, "3m12s" },
		{ 14520 * SECOND_US, "4h02m" },
		{ 1047600 * SECOND_US, "12d03h" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[WHEN_MAX];

		when_format_duration(cases[i].us, text);
		assert_string_equal(text, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(times_are_written_so_that_they_can_be_read),
		cmocka_unit_test(durations_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
