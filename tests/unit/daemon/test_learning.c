/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_read_in_every_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
