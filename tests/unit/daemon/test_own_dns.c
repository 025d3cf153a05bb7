/* SPDX-License-Identifier: Apache-2.0 */
/* Resolvers of a workload's own resolv.conf: the file is whatever the workload writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/slice.h"
#include "daemon/nameservers.h"
#include "daemon/own_dns.h"

/* "ADDR ADDR " of at most 3 */
static const char *parsed(struct slice text)
{
	static char seen[256];
	struct eg_addr a[OWN_DNS_SERVERS];
	char one[INET6_ADDRSTRLEN];
	unsigned n = nameservers_parse(text, a, OWN_DNS_SERVERS);
	size_t at = 0;

	seen[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, "%s ",
				       inet_ntop(AF_INET6, &a[i], one, sizeof(one)));
	return seen;
}

static void name_servers_are_found(void **state)
{
	(void)state;
	assert_string_equal(parsed(SLICE("search example.com\nnameserver 10.89.0.1\n"
					 "nameserver\t2001:db8::53 # home\noptions ndots:5\n"
					 "  nameserver fe80::1%eth0\r\n")),
			    "::ffff:10.89.0.1 2001:db8::53 fe80::1 ");
	assert_string_equal(parsed(SLICE("nameserver 127.0.0.11")), "::ffff:127.0.0.11 ");
}

static void no_more_than_the_c_library_takes(void **state)
{
	(void)state;
	assert_string_equal(parsed(SLICE("nameserver x\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n"
					 "nameserver 10.0.0.3\nnameserver 10.0.0.4\n")),
			    "::ffff:10.0.0.1 ::ffff:10.0.0.2 ::ffff:10.0.0.3 ");
}

static void what_is_none_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		"\n\n\n",
		"nameserver",
		"nameserver \n 10.0.0.1",
		"# nameserver 10.0.0.1",
		"nameservers 10.0.0.1",
		"Nameserver 10.0.0.1",
		"nameserver=10.0.0.1",
		"nameserver 10.0.0.1:53",
		"nameserver [::1]:53",
		"nameserver 10.0.0.0/8",
		"nameserver 10.0.0.1,10.0.0.2",
		"nameserver 010.0.0.1x",
		"nameserver dns.example",
		"nameserver 1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_string_equal(parsed(slice_str(bad[i])), "");
	assert_string_equal(parsed(SLICE("nameserver 10.0.0.1\n\0nameserver 10.0.0.2\n")), "");
}

static void cut_texts_are_read_within_their_bounds(void **state)
{
	static const char text[] = "nameserver 10.0.0.1\nnameserver fe80::1%eth0 x\n nameserver";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + !n);

		memcpy(copy, text, n);
		(void)parsed(slice_of(copy, n));
		free(copy);
	}
}

static struct eg_addr v4(uint32_t n)
{
	return (struct eg_addr){ { 0, 0, htonl(0xffff), htonl(n) } };
}

static void several_files_make_one_list_within_its_bounds(void **state)
{
	struct own_dns o = { 0 };
	struct eg_addr a[EG_OWN_DNS_MAX];

	(void)state;
	assert_int_equal(own_dns_servers(&o, a), 0);
	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++) {
		o.view[i].mnt = 1 + i;
		o.view[i].n = 2;
		o.view[i].addr[0] = v4(1);
		o.view[i].addr[1] = v4(1 + i / 2);
	}
	assert_int_equal(own_dns_servers(&o, a), 4);
	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++)
		o.view[i].addr[0] = v4(100 + i);
	assert_int_equal(own_dns_servers(&o, a), EG_OWN_DNS_MAX);
}

static void what_no_census_finds_is_forgotten(void **state)
{
	struct own_dns o = { 0 };
	struct eg_addr a[EG_OWN_DNS_MAX];

	(void)state;
	o.view[0].mnt = 1;
	o.view[0].is_seen = true;
	o.view[0].n = 1;
	o.view[0].addr[0] = v4(1);
	assert_false(own_dns_end(&o));
	assert_int_equal(own_dns_servers(&o, a), 1);
	own_dns_begin(&o);
	assert_true(own_dns_end(&o));
	assert_int_equal(own_dns_servers(&o, a), 0);
	assert_int_equal(o.view[0].mnt, 0);
}

static void no_more_mount_namespaces_than_there_is_room(void **state)
{
	struct own_dns o = { 0 };

	(void)state;
	assert_true(own_dns_wants(&o, getpid()));
	for (unsigned i = 0; i < OWN_DNS_VIEWS; i++)
		o.view[i].mnt = 1 + i; /* nobody's */
	assert_false(own_dns_wants(&o, getpid()));
	assert_false(own_dns_look(&o, -1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_servers_are_found),
		cmocka_unit_test(no_more_than_the_c_library_takes),
		cmocka_unit_test(what_is_none_is_none),
		cmocka_unit_test(cut_texts_are_read_within_their_bounds),
		cmocka_unit_test(several_files_make_one_list_within_its_bounds),
		cmocka_unit_test(what_no_census_finds_is_forgotten),
		cmocka_unit_test(no_more_mount_namespaces_than_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
