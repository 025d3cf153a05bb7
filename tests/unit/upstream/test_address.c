/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses may be dialled: special-use ranges, embedded IPv4, exceptions; and their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "upstream/address.h"

static struct eg_addr addr(const char *text)
{
	struct eg_addr a = { .a = { 0, 0, htonl(0xffff), 0 } };

	if (inet_pton(AF_INET, text, &a.a[3]) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

/* Whether one may be dialled with at most two exceptions. */
static bool may(const char *text, const char *allow1, const char *allow2)
{
	const char *allow[2] = { allow1, allow2 };
	struct address_policy p;
	struct eg_addr a = addr(text);
	bool r;

	assert_int_equal(address_policy_init(&p, allow, allow2 ? 2 : allow1 ? 1 : 0), 0);
	r = address_may_dial(&p, &a);
	address_policy_done(&p);
	return r;
}

static void all(const char *const *texts, size_t n, bool want)
{
	for (size_t i = 0; i < n; i++)
		if (may(texts[i], NULL, NULL) != want)
			fail_msg("%s is %s", texts[i], want ? "refused" : "not refused");
}

static void test_public_addresses(void **state)
{
	static const char *const texts[] = {
		"1.1.1.1",	    "9.255.255.255",   "11.0.0.0",	 "100.63.255.255",
		"100.128.0.0",	    "126.255.255.255", "128.0.0.0",	 "168.63.129.15",
		"169.253.255.255",  "172.15.255.255",  "172.32.0.0",	 "192.0.1.0",
		"192.167.255.255",  "198.17.255.255",  "198.20.0.0",	 "203.0.112.255",
		"223.255.255.255",  "2001:200::1",     "2606:4700::1",	 "2a00:1450::1",
		"64:ff9b::1.1.1.1", "2002:101:101::1", "::ffff:1.1.1.1",
	};

	(void)state;
	all(texts, ARRAY_SIZE(texts), true);
}

static void test_special_ipv4(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0",     "0.255.255.255",	  "10.0.0.0",	    "10.255.255.255",
		"100.64.0.0",  "100.127.255.255", "127.0.0.1",	    "127.255.255.255",
		"169.254.0.1", "172.16.0.0",	  "172.31.255.255", "192.0.0.1",
		"192.0.2.1",   "192.88.99.1",	  "192.168.0.1",    "192.168.255.255",
		"198.18.0.0",  "198.19.255.255",  "198.51.100.1",   "203.0.113.1",
		"224.0.0.1",   "239.255.255.255", "240.0.0.1",	    "255.255.255.255",
	};

	(void)state;
	all(texts, ARRAY_SIZE(texts), false);
}

static void test_special_ipv6(void **state)
{
	static const char *const texts[] = {
		"::",	       "::1",	      "::2",	 "100::1",	"100:0:0:1::1", "2001::1",
		"2001:1ff::1", "2001:db8::1", "3fff::1", "3fff:fff::1", "5f00::1",	"fc00::1",
		"fdff::1",     "fe80::1",     "fec0::1", "ff02::1",	"64:ff9b:1::1", "4000::1",
	};

	(void)state;
	all(texts, ARRAY_SIZE(texts), false);
}

static void test_cloud_metadata(void **state)
{
	static const char *const texts[] = {
		"169.254.169.254", /* AWS, Azure, Google, OpenStack */
		"169.254.170.2", /* AWS ECS */
		"168.63.129.16", /* Azure */
		"100.100.100.200", /* Alibaba */
		"192.0.0.192", /* Oracle */
		"fd00:ec2::254", /* AWS */
		"fd20:ce::254", /* Google */
		"fe80::a9fe:a9fe", /* OpenStack */
	};

	(void)state;
	all(texts, ARRAY_SIZE(texts), false);
}

/* A special IPv4 address in the clothes of a public IPv6 one. */
static void test_embedded_ipv4(void **state)
{
	static const char *const texts[] = {
		"::ffff:127.0.0.1",   "::ffff:169.254.169.254",
		"64:ff9b::10.0.0.1",  "64:ff9b::169.254.169.254",
		"2002:7f00:1::1",     "2002:a9fe:a9fe::1",
		"2002:c0a8:101:1::5", "::10.0.0.1",
		"::127.0.0.1",
	};

	(void)state;
	all(texts, ARRAY_SIZE(texts), false);
}

static void test_exceptions(void **state)
{
	(void)state;
	assert_true(may("10.1.2.3", "10.0.0.0/8", NULL));
	assert_true(may("10.1.2.3", "192.168.0.0/16", "10.1.2.3"));
	assert_true(may("10.1.2.3", "10.1.2.2/31", NULL));
	assert_false(may("10.1.2.3", "10.1.2.2", NULL));
	assert_false(may("10.1.2.3", "10.1.2.2/32", "10.1.2.4/30"));
	assert_true(may("64:ff9b::10.0.0.1", "10.0.0.0/8", NULL));
	assert_true(may("64:ff9b::10.0.0.1", "64:ff9b::/96", NULL));
	assert_true(may("::ffff:10.0.0.1", "10.0.0.0/8", NULL));
	assert_true(may("fd12:3456::1", "fd12:3456::/32", NULL));
	assert_false(may("fd12:3457::1", "fd12:3456::/32", NULL));
	assert_true(may("fd12:3456::1", "fd12:3456::1/128", NULL));
	assert_true(may("127.0.0.1", "0.0.0.0/0", NULL));
	assert_false(may("10.1.2.3", "::/0", NULL)); /* speaks of IPv6 only */
	assert_false(may("::1", "0.0.0.0/0", NULL));
}

static void test_exceptions_that_are_none(void **state)
{
	static const char *const texts[] = {
		"",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0/8",
		"10.0.0.0/8 ",
		"10.0.0.0/-1",
		"10.0.0.0/x",
		"::1/129",
		"example.com",
		"/8",
		"10.0.0.0/8/8",
		"10.0.0.0/99999999999",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb",
	};
	struct address_policy p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (address_policy_init(&p, &texts[i], 1) != -EINVAL)
			fail_msg("\"%s\" was taken for a block", texts[i]);
}

/* The order in which addresses would be tried, as text. */
static void order(const char *const *texts, size_t n, bool first4, size_t max, const char *want)
{
	struct eg_addr in[8], out[8];
	char got[400] = "", one[INET6_ADDRSTRLEN];
	size_t m;

	for (size_t i = 0; i < n; i++)
		in[i] = addr(texts[i]);
	m = address_order(in, n, first4, out, max);
	for (size_t i = 0; i < m; i++) {
		size_t at = strlen(got);

		(void)snprintf(got + at, sizeof(got) - at, "%s ", address_format(&out[i], one));
	}
	assert_string_equal(got, want);
}

static void test_families_alternate(void **state)
{
	static const char *const texts[] = { "1.0.0.1", "1.0.0.2", "1.0.0.3", "2a00::1",
					     "2a00::2" };

	(void)state;
	order(texts, 5, false, 8, "2a00::1 1.0.0.1 2a00::2 1.0.0.2 1.0.0.3 ");
	order(texts, 5, true, 8, "1.0.0.1 2a00::1 1.0.0.2 2a00::2 1.0.0.3 ");
	order(texts, 5, false, 3, "2a00::1 1.0.0.1 2a00::2 ");
	order(texts, 3, false, 8, "1.0.0.1 1.0.0.2 1.0.0.3 ");
	order(texts + 3, 2, true, 8, "2a00::1 2a00::2 ");
	order(texts, 0, false, 8, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public_addresses),
		cmocka_unit_test(test_special_ipv4),
		cmocka_unit_test(test_special_ipv6),
		cmocka_unit_test(test_cloud_metadata),
		cmocka_unit_test(test_embedded_ipv4),
		cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_exceptions_that_are_none),
		cmocka_unit_test(test_families_alternate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
