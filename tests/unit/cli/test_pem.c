/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates found in bundles, whatever else stands in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "userspace/cli/pem.c"

#define PEM(body) "-----BEGIN CERTIFICATE-----\n" body "\n-----END CERTIFICATE-----\n"

static int first(const char *text, struct buf *der)
{
	struct slice s = slice_str(text);

	return pem_next(&s, der);
}

static void blocks_are_decoded(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ PEM("TQ=="), "M" },
		{ PEM("TWE="), "Ma" },
		{ PEM("TWFu"), "Man" },
		{ PEM("TW\r\nFu\r\n"), "Man" },
		{ "# a comment\nsubject=CN=x\n" PEM("TWFu") "tail", "Man" },
	};
	struct buf der;

	(void)state;
	buf_init(&der, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(first(cases[i].text, &der), 1);
		assert_true(slice_eq(buf_slice(&der), slice_str(cases[i].want)));
	}
	buf_release(&der);
}

static void what_is_no_block_is_refused(void **state)
{
	static const char *const bad[] = {
		PEM(""),     PEM("TQ==TQ=="), PEM("T*=="),
		PEM("TR=="), PEM("TWE===="),  "-----BEGIN CERTIFICATE-----\nTWFu\n",
	};
	struct buf der;

	(void)state;
	buf_init(&der, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (first(bad[i], &der) >= 0)
			fail_msg("was decoded: %s", bad[i]);
	assert_int_equal(first("", &der), 0);
	assert_int_equal(
		first("-----BEGIN PRIVATE KEY-----\nTWFu\n-----END PRIVATE KEY-----\n", &der), 0);
	buf_release(&der);
}

static void a_certificate_is_found_among_others(void **state)
{
	static const char bundle[] = PEM("TQ==") PEM("*") PEM("TWFu");

	(void)state;
	assert_true(pem_holds(SLICE(bundle), SLICE("M")));
	assert_true(pem_holds(SLICE(bundle), SLICE("Man"))); /* behind a damaged one */
	assert_false(pem_holds(SLICE(bundle), SLICE("Ma")));
	assert_false(pem_holds(SLICE(""), SLICE("M")));
	assert_false(pem_holds(SLICE("-----BEGIN CERTIFICATE-----TWFu"), SLICE("Man")));
}

static void only_regular_files_are_read(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(pem_read_file("/", &b), -EISDIR);
	assert_int_equal(pem_read_file("/dev/zero", &b), -EINVAL);
	assert_int_equal(pem_read_file("/nowhere/at/all", &b), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_decoded),
		cmocka_unit_test(what_is_no_block_is_refused),
		cmocka_unit_test(a_certificate_is_found_among_others),
		cmocka_unit_test(only_regular_files_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
