/* SPDX-License-Identifier: Apache-2.0 */
/* The 128-bit form of destinations, natively: every spelling of an IPv4 address is the same one. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/addr.h"

static struct eg_addr addr(const char *text)
{
	struct eg_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static void check(const char *in, const char *prefix, unsigned bits, const char *want)
{
	struct eg_addr d = addr(in), w = addr(want), p = addr(prefix);

	(void)addr_unembed(&d, &p, bits);
	assert_memory_equal(&d, &w, sizeof(d));
}

static void every_embedding_is_taken_out(void **state)
{
	(void)state;
	check("64:ff9b::203.0.113.10", "::", 0, "::ffff:203.0.113.10");
	check("2002:cb00:710a::1", "::", 0, "::ffff:203.0.113.10");
	check("::203.0.113.10", "::", 0, "::ffff:203.0.113.10");
	check("::ffff:203.0.113.10", "::", 0, "::ffff:203.0.113.10");
}

static void what_embeds_nothing_stays(void **state)
{
	(void)state;
	check("2001:db8::10", "::", 0, "2001:db8::10");
	check("::", "::", 0, "::");
	check("::1", "::", 0, "::1");
	check("64:ff9b:1::203.0.113.10", "::", 0, "64:ff9b:1::203.0.113.10");
	check("2003:cb00:710a::1", "::", 0, "2003:cb00:710a::1");
}

/* The examples of RFC 6052 2.4. */
static void site_prefixes_of_rfc6052(void **state)
{
	const char *want = "::ffff:192.0.2.33";

	(void)state;
	check("2001:db8:c000:221::", "2001:db8::", 32, want);
	check("2001:db8:1c0:2:21::", "2001:db8:100::", 40, want);
	check("2001:db8:122:c000:2:2100::", "2001:db8:122::", 48, want);
	check("2001:db8:122:3c0:0:221::", "2001:db8:122:300::", 56, want);
	check("2001:db8:122:344:c0:2:2100::", "2001:db8:122:344::", 64, want);
	check("2001:db8:122:344::192.0.2.33", "2001:db8:122:344::", 96, want);
}

static void near_misses_of_a_site_prefix_stay(void **state)
{
	(void)state;
	check("2001:db9:c000:221::", "2001:db8::", 32, "2001:db9:c000:221::");
	check("2001:db8:2c0:2:21::", "2001:db8:100::", 40, "2001:db8:2c0:2:21::");
	check("2001:db8:123:c000:2:2100::", "2001:db8:122::", 48, "2001:db8:123:c000:2:2100::");
	check("2001:db8:122:4c0:0:221::", "2001:db8:122:300::", 56, "2001:db8:122:4c0:0:221::");
	check("2001:db8:122:345:c0:2:2100::", "2001:db8:122:344::", 64,
	      "2001:db8:122:345:c0:2:2100::");
	check("2001:db8:122:344:1::1", "2001:db8:122:344::", 96, "2001:db8:122:344:1::1");
}

static void local_is_loopback_or_unspecified(void **state)
{
	const char *yes[] = { "::", "::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1",
			      "::ffff:127.255.255.255" };
	const char *no[] = {
		"::2", "::ffff:126.255.255.255", "::ffff:128.0.0.1", "fe80::1", "1::", "::1:0:0:1"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		struct eg_addr a = addr(yes[i]);

		assert_true(addr_is_local(&a));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		struct eg_addr a = addr(no[i]);

		assert_false(addr_is_local(&a));
	}
}

static void link_local_of_both_families(void **state)
{
	static const char *const yes[] = { "fe80::1", "febf:ffff::1", "::ffff:169.254.0.1",
					   "::ffff:169.254.255.255" };
	static const char *const no[] = {
		"fec0::1",	 "fe7f::1", "::ffff:169.255.0.1", "::ffff:169.253.9.9",
		"::169.254.0.1", "::1"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		struct eg_addr a = addr(yes[i]);

		assert_true(addr_is_link_local(&a));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		struct eg_addr a = addr(no[i]);

		assert_false(addr_is_link_local(&a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_embedding_is_taken_out),
		cmocka_unit_test(what_embeds_nothing_stays),
		cmocka_unit_test(site_prefixes_of_rfc6052),
		cmocka_unit_test(near_misses_of_a_site_prefix_stay),
		cmocka_unit_test(local_is_loopback_or_unspecified),
		cmocka_unit_test(link_local_of_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
