/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of allow-lists: what each means, and what is none. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/modes.h"

static void entries_mean_what_they_say(void **state)
{
	static const struct {
		const char *text, *name, *addr;
		unsigned bits, port, proto;
	} cases[] = {
		{ "pypi.org", "pypi.org", NULL, 0, 0, 0 },
		{ "*.pypi.org:443", "*.pypi.org", NULL, 0, 443, 6 },
		{ "a-b.c_d.org:53/udp", "a-b.c_d.org", NULL, 0, 53, 17 },
		{ "a.example:443/tcp", "a.example", NULL, 0, 443, 6 },
		{ "192.0.2.1", NULL, "::ffff:192.0.2.1", 128, 0, 0 },
		{ "192.0.2.1:65535", NULL, "::ffff:192.0.2.1", 128, 65535, 6 },
		{ "10.0.0.0/8", NULL, "::ffff:10.0.0.0", 104, 0, 0 },
		{ "10.0.0.0/8:53/udp", NULL, "::ffff:10.0.0.0", 104, 53, 17 },
		{ "0.0.0.0/0", NULL, "::ffff:0.0.0.0", 96, 0, 0 },
		{ "2001:db8::1", NULL, "2001:db8::1", 128, 0, 0 },
		{ "2001:db8::/32", NULL, "2001:db8::", 32, 0, 0 },
		{ "[2001:db8::1]", NULL, "2001:db8::1", 128, 0, 0 },
		{ "[2001:db8::/32]:443", NULL, "2001:db8::", 32, 443, 6 },
		{ "::/0", NULL, "::", 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct policy_allow a;
		struct eg_addr addr = { 0 };
		const char *why;

		assert_int_equal(policy_allow_read(slice_str(cases[i].text), &a, &why), 0);
		assert_int_equal(a.port, cases[i].port);
		assert_int_equal(a.proto, cases[i].proto);
		if (cases[i].name) {
			assert_true(slice_eq(a.name, slice_str(cases[i].name)));
			continue;
		}
		assert_int_equal(a.name.n, 0);
		assert_int_equal(inet_pton(AF_INET6, cases[i].addr, &addr), 1);
		assert_memory_equal(&a.addr.addr, &addr, sizeof(addr));
		assert_int_equal(a.addr.prefix_len, cases[i].bits);
	}
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"*",
		"*.",
		"org",
		"a..org",
		".a.example",
		"a.example.",
		"A.org",
		"a*.org",
		"*.*.org",
		"a.example:",
		"a.example:0",
		"a.example:65536",
		"a.example:080",
		"a.example:x",
		"a.example/udp",
		"a.example:1/sctp",
		"10.0.0.1/8",
		"10.0.0.0/33",
		"10.0.0/8",
		"1.2.3",
		"2001:db8::1/32",
		"[2001:db8::1",
		"[2001:db8::1]443",
		"[]:1",
		"[",
		"]",
		":443",
		"https://a.example",
		"a.example/x",
		"a b.org",
		"2001:db8::/129",
		"/udp",
		"1.2.3.4:5:6",
		"[a.example]x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct policy_allow a;
		const char *why = NULL;

		if (policy_allow_read(slice_str(bad[i]), &a, &why) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_mean_what_they_say),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
