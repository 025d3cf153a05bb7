/* SPDX-License-Identifier: Apache-2.0 */
/* Allow-lists compiled, asked as the kernel's tries would: the longest key says all. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/allow.h"

#include "lib/allow.h"

static const struct eg_addr no_nat64;

static struct dataplane_allow name(uint32_t list, const char *text, uint16_t port, uint8_t proto)
{
	return (struct dataplane_allow){
		.list = list, .name = slice_str(text), .port = port, .proto = proto
	};
}

static struct dataplane_allow cidr(uint32_t list, const char *text, unsigned bits, uint16_t port,
				   uint8_t proto)
{
	struct dataplane_allow a = { .list = list, .port = port, .proto = proto };

	assert_int_equal(inet_pton(AF_INET6, text, &a.addr.addr), 1);
	a.addr.prefix_len = bits;
	return a;
}

static struct allow_tables compile(const struct dataplane_allow *v, size_t n)
{
	struct allow_tables t;
	size_t at;

	assert_int_equal(allow_compile(v, n, &no_nat64, 0, &t, &at), 0);
	return t;
}

/* Bit i, from the left, of the bytes behind prefix_len. */
static bool is_prefix(const void *key, const void *of, uint32_t bits)
{
	const uint8_t *a = key, *b = of;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

static bool address_allows(const struct allow_tables *t, uint32_t list, const char *text,
			   uint8_t proto, uint16_t port)
{
	struct eg_allow_key key = { .prefix_len = 160, .list = list };
	const struct allow_address *best = NULL;

	assert_int_equal(inet_pton(AF_INET6, text, &key.addr), 1);
	for (size_t i = 0; i < t->n_addresses; i++) {
		const struct allow_address *a = &t->addresses[i];

		if (is_prefix(&a->key.list, &key.list, a->key.prefix_len) &&
		    (!best || a->key.prefix_len > best->key.prefix_len))
			best = a;
	}
	return best && best->value.list == list && allow_serves(&best->value, proto, port);
}

static bool name_allows(const struct allow_tables *t, uint32_t list, const char *host,
			uint8_t proto, uint16_t port)
{
	struct eg_allow_name_key key = { .list = list };
	const struct allow_name *best = NULL;
	size_t n = strlen(host);
	uint64_t rule;

	for (size_t i = 0; i < n; i++)
		key.s[i] = (uint8_t)host[n - 1 - i];
	key.s[n] = '.';
	key.prefix_len = 32 + 8 * ((uint32_t)n + 1);
	for (size_t i = 0; i < t->n_names; i++) {
		const struct allow_name *a = &t->names[i];

		if (a->key.prefix_len <= key.prefix_len &&
		    is_prefix(&a->key.list, &key.list, a->key.prefix_len) &&
		    (!best || a->key.prefix_len > best->key.prefix_len))
			best = a;
	}
	if (!best)
		return false;
	rule = best->value.name_n == n + 1 ? best->value.self : best->value.below;
	for (size_t i = 0; i < t->n_rules && rule; i++)
		if (t->rules[i].key == rule)
			return t->rules[i].value.list == list &&
			       allow_serves(&t->rules[i].value, proto, port);
	return false;
}

static void narrow_addresses_keep_what_wide_ones_allow(void **state)
{
	const struct dataplane_allow v[] = {
		cidr(1, "::ffff:10.0.0.0", 104, 443, 6), cidr(1, "::ffff:10.1.0.0", 112, 80, 6),
		cidr(1, "::ffff:10.1.2.3", 128, 53, 17), cidr(1, "2001:db8::", 32, 0, 0),
		cidr(1, "2001:db8:5::", 48, 22, 6),	 cidr(2, "::ffff:10.1.2.3", 128, 25, 6),
	};
	struct allow_tables t = compile(v, ARRAY_SIZE(v));

	(void)state;
	assert_true(address_allows(&t, 1, "::ffff:10.9.9.9", 6, 443));
	assert_false(address_allows(&t, 1, "::ffff:10.9.9.9", 6, 80));
	assert_true(address_allows(&t, 1, "::ffff:10.1.9.9", 6, 443));
	assert_true(address_allows(&t, 1, "::ffff:10.1.9.9", 6, 80));
	assert_true(address_allows(&t, 1, "::ffff:10.1.2.3", 6, 443));
	assert_true(address_allows(&t, 1, "::ffff:10.1.2.3", 6, 80));
	assert_true(address_allows(&t, 1, "::ffff:10.1.2.3", 17, 53));
	assert_false(address_allows(&t, 1, "::ffff:10.1.2.3", 6, 25));
	assert_true(address_allows(&t, 2, "::ffff:10.1.2.3", 6, 25));
	assert_false(address_allows(&t, 2, "::ffff:10.1.2.3", 6, 443));
	assert_false(address_allows(&t, 1, "::ffff:11.0.0.1", 6, 443));
	assert_true(address_allows(&t, 1, "2001:db8:5::1", 6,
				   8080)); /* every port, from the wide one */
	assert_false(address_allows(&t, 1, "2001:db9::1", 6, 22));
	assert_false(address_allows(&t, 3, "::ffff:10.9.9.9", 6, 443));
	allow_tables_done(&t);
}

static void suffixes_match_by_label(void **state)
{
	const struct dataplane_allow v[] = {
		name(1, "pypi.org", 443, 6),	    name(1, "*.example.net", 443, 6),
		name(1, "deep.example.net", 80, 6), name(1, "*.a.example.net", 53, 17),
		name(1, "deep.example.net", 25, 6), name(2, "*.pypi.org", 0, 0),
	};
	struct allow_tables t = compile(v, ARRAY_SIZE(v));
	static const char *const no[] = { "notpypi.org", "x.pypi.org",	"pypi.org.evil",  "org",
					  "ypi.org",	 "example.net", "notexample.net", "net",
					  "pypi.orgx" };

	(void)state;
	assert_true(name_allows(&t, 1, "pypi.org", 6, 443));
	assert_false(name_allows(&t, 1, "pypi.org", 6, 80));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(name_allows(&t, 1, no[i], 6, 443));
	assert_true(name_allows(&t, 1, "x.example.net", 6, 443));
	assert_true(name_allows(&t, 1, "y.x.example.net", 6, 443));
	assert_true(name_allows(&t, 1, "deep.example.net", 6, 80));
	assert_true(name_allows(&t, 1, "deep.example.net", 6, 443));
	assert_true(name_allows(&t, 1, "deep.example.net", 6, 25));
	assert_true(name_allows(&t, 1, "x.deep.example.net", 6, 443)); /* past an exact one */
	assert_false(name_allows(&t, 1, "x.deep.example.net", 6, 80));
	assert_true(name_allows(&t, 1, "x.a.example.net", 17, 53));
	assert_true(name_allows(&t, 1, "x.a.example.net", 6, 443));
	assert_true(name_allows(&t, 1, "a.example.net", 6, 443));
	assert_false(name_allows(&t, 1, "a.example.net", 17, 53));
	assert_true(name_allows(&t, 2, "x.pypi.org", 17, 9));
	assert_false(name_allows(&t, 2, "pypi.org", 6, 443));
	allow_tables_done(&t);
}

static void rules_are_the_same_in_every_run(void **state)
{
	const struct dataplane_allow one[] = { name(1, "a.org", 443, 6), name(1, "b.org", 443, 6) };
	const struct dataplane_allow other[] = { name(1, "b.org", 80, 6),
						 name(1, "*.c.org", 0, 0) };
	struct allow_tables a = compile(one, 2), b = compile(other, 2);
	uint64_t in_a = 0, in_b = 0;

	(void)state;
	for (size_t i = 0; i < a.n_names; i++)
		if (memcmp(a.names[i].key.s, "gro.b.", 6) == 0)
			in_a = a.names[i].value.self;
	for (size_t i = 0; i < b.n_names; i++)
		if (memcmp(b.names[i].key.s, "gro.b.", 6) == 0)
			in_b = b.names[i].value.self;
	assert_true(in_a != 0 && in_a == in_b);
	assert_int_equal(a.n_rules, 2);
	assert_int_equal(b.n_rules, 2);
	allow_tables_done(&a);
	allow_tables_done(&b);
}

static void what_cannot_be_is_refused_with_its_place(void **state)
{
	static const char *const bad[] = { "*",	   "a*b.org", "*.*.org", "",
					   ".org", "org.",    "*.",	 "a b" };
	struct dataplane_allow v[EG_SERVICES_MAX + 2];
	struct allow_tables t;
	size_t at;

	(void)state;
	v[0] = name(1, "a.org", 443, 6);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		v[1] = name(1, bad[i], 443, 6);
		if (!v[1].name.n)
			v[1].addr.prefix_len = 129;
		assert_int_equal(allow_compile(v, 2, &no_nat64, 0, &t, &at), -EINVAL);
		assert_int_equal(at, 1);
	}
	for (uint16_t i = 0; i < EG_SERVICES_MAX; i++)
		v[i] = name(1, "a.org", (uint16_t)(i + 1), 6);
	t = compile(v, EG_SERVICES_MAX);
	allow_tables_done(&t);
	v[EG_SERVICES_MAX] = name(1, "a.org", 999, 6);
	assert_int_equal(allow_compile(v, EG_SERVICES_MAX + 1, &no_nat64, 0, &t, &at), -E2BIG);
	v[EG_SERVICES_MAX + 1] = name(1, "a.org", 0, 0);
	assert_int_equal(allow_compile(v, EG_SERVICES_MAX + 2, &no_nat64, 0, &t, &at), -E2BIG);
}

static void embedded_ipv4_is_taken_out(void **state)
{
	const struct dataplane_allow v[] = { cidr(1, "64:ff9b::10.1.2.3", 128, 443, 6) };
	struct allow_tables t = compile(v, 1);

	(void)state;
	assert_true(address_allows(&t, 1, "::ffff:10.1.2.3", 6, 443));
	allow_tables_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(narrow_addresses_keep_what_wide_ones_allow),
		cmocka_unit_test(suffixes_match_by_label),
		cmocka_unit_test(rules_are_the_same_in_every_run),
		cmocka_unit_test(what_cannot_be_is_refused_with_its_place),
		cmocka_unit_test(embedded_ipv4_is_taken_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
