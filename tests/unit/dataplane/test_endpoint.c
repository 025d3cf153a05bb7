/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of governed addresses: normal form, and what a hostile DNS answer must not govern. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/endpoint.h"

static const struct eg_addr none;

static struct eg_endpoint_key key(const char *text, unsigned bits)
{
	struct eg_endpoint_key k = { .prefix_len = bits };

	assert_int_equal(inet_pton(AF_INET6, text, &k.addr), 1);
	return k;
}

static void becomes(const char *in, unsigned bits, const char *want)
{
	struct eg_endpoint_key a = key(in, bits), b = key(want, bits), got;

	assert_int_equal(endpoint_key(&a, &none, 0, &got), 0);
	assert_memory_equal(&got, &b, sizeof(got));
}

static void bits_past_the_prefix_are_zeroed(void **state)
{
	(void)state;
	becomes("::ffff:203.0.113.10", 128, "::ffff:203.0.113.10");
	becomes("::ffff:203.0.113.255", 120, "::ffff:203.0.113.0");
	becomes("::ffff:203.0.113.255", 127, "::ffff:203.0.113.254");
	becomes("2001:db8:ffff:ffff:ffff::1", 33, "2001:db8:8000::");
	becomes("2001:db8:ffff::1", 32, "2001:db8::");
}

static void embedded_addresses_are_stored_as_ipv4(void **state)
{
	(void)state;
	becomes("64:ff9b::203.0.113.10", 128, "::ffff:203.0.113.10");
	becomes("2002:cb00:710a::1", 128, "::ffff:203.0.113.10");
}

static void refused(const char *text, unsigned bits, int error)
{
	struct eg_endpoint_key k = key(text, bits), got;

	assert_int_equal(endpoint_key(&k, &none, 0, &got), error);
}

static void local_addresses_cannot_be_governed(void **state)
{
	(void)state;
	refused("::1", 128, -EADDRNOTAVAIL);
	refused("::", 128, -EADDRNOTAVAIL);
	refused("::ffff:127.0.0.1", 128, -EADDRNOTAVAIL);
	refused("::ffff:0.0.0.0", 128, -EADDRNOTAVAIL);
	refused("::ffff:169.254.169.254", 128, -EADDRNOTAVAIL);
	refused("::ffff:224.0.0.1", 128, -EADDRNOTAVAIL);
	refused("::ffff:255.255.255.255", 128, -EADDRNOTAVAIL);
	refused("fe80::1", 128, -EADDRNOTAVAIL);
	refused("ff02::1", 128, -EADDRNOTAVAIL);
	/* spelt through a translator */
	refused("64:ff9b::127.0.0.1", 128, -EADDRNOTAVAIL);
	refused("2002:7f00:1::", 128, -EADDRNOTAVAIL);
	/* ranges that hold them */
	refused("::", 0, -EADDRNOTAVAIL);
	refused("::ffff:0.0.0.0", 96, -EADDRNOTAVAIL);
	refused("::ffff:126.0.0.0", 103, -EADDRNOTAVAIL);
}

static void prefixes_are_bounded(void **state)
{
	(void)state;
	refused("2001:db8::", 129, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_past_the_prefix_are_zeroed),
		cmocka_unit_test(embedded_addresses_are_stored_as_ipv4),
		cmocka_unit_test(local_addresses_cannot_be_governed),
		cmocka_unit_test(prefixes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
