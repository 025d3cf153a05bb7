/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/learning.h"

static void servers_are_read_in_every_form(void **state)
{
	static const char *const good[] = { "192.0.2.1",	"192.0.2.1:53", "2001:db8::1",
					    "[2001:db8::1]:53", "[::1]",	"127.0.0.53" };
	static const char *const bad[] = { "",		"x",  "192.0.2", "[2001:db8::1",
					   "1.2.3.4.5", "[]", ":53" };
	struct eg_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(learning_parse_server(good[i], &a));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(learning_parse_server(bad[i], &a));
	assert_true(learning_parse_server("192.0.2.1:5353", &a));
	assert_int_equal(a.a[2], htonl(0xffff));
	assert_int_equal(a.a[3], htonl(0xc0000201));
}

static void on_server(void *ctx, const char *addr)
{
	char *text = ctx;
	size_t n = strlen(text);

	snprintf(text + n, 256 - n, "%s ", addr);
}

static void name_servers_of_resolv_conf_are_found(void **state)
{
	char path[] = "/tmp/egret-resolv-XXXXXX", seen[256] = "";
	FILE *f = fdopen(mkstemp(path), "w");

	(void)state;
	assert_non_null(f);
	fputs("# nameserver 9.9.9.9\nsearch example.com\nnameserver 192.0.2.1\n"
	      "  nameserver\t2001:db8::53 # home\nnameserver fe80::1%eth0\noptions "
	      "edns0\nnameserver\n",
	      f);
	fclose(f);
	learning_read_resolv_conf(path, on_server, seen);
	assert_string_equal(seen, "192.0.2.1 2001:db8::53 fe80::1 ");
	unlink(path);
	learning_read_resolv_conf(path, on_server, seen); /* gone: nothing more */
	assert_string_equal(seen, "192.0.2.1 2001:db8::53 fe80::1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_read_in_every_form),
		cmocka_unit_test(name_servers_of_resolv_conf_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
