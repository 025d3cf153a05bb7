/* SPDX-License-Identifier: Apache-2.0 */
/* Advice about events: the entry it tells people to add is one that policy reads, and means that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "daemon/advice.h"
#include "policy/modes.h"

static struct eg_event denied(const char *addr, uint16_t port, uint8_t proto)
{
	struct eg_event e = { .reason = EG_REASON_k_egress_denied,
			      .flow = { .dport = port, .proto = proto } };

	assert_int_equal(inet_pton(AF_INET6, addr, &e.flow.dst), 1);
	return e;
}

/* What stands in the first quotes. */
static struct slice quoted(const char *text)
{
	const char *from = strchr(text, '"'), *end;

	assert_non_null(from);
	end = strchr(from + 1, '"');
	assert_non_null(end);
	return slice_of(from + 1, (size_t)(end - from) - 1);
}

static void the_entry_is_read_as_what_was_denied(void **state)
{
	static const struct {
		const char *addr, *entry;
		uint16_t port;
		uint8_t proto;
	} rows[] = {
		{ "::ffff:203.0.113.9", "203.0.113.9:443/tcp", 443, IPPROTO_TCP },
		{ "::ffff:203.0.113.9", "203.0.113.9:53/udp", 53, IPPROTO_UDP },
		{ "2001:db8::9", "[2001:db8::9]:443/tcp", 443, IPPROTO_TCP },
		{ "2001:db8::9", "2001:db8::9", 0, IPPROTO_ICMPV6 },
		{ "::ffff:203.0.113.9", "203.0.113.9", 0, IPPROTO_ICMP },
		{ "::ffff:203.0.113.9", "203.0.113.9", 7, IPPROTO_UDPLITE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct eg_event e = denied(rows[i].addr, rows[i].port, rows[i].proto);
		bool has_port = rows[i].entry[strcspn(rows[i].entry, "/")] == '/';
		struct policy_allow a;
		char text[ADVICE_MAX];
		const char *why;

		advice_event(&e, text, sizeof(text));
		assert_true(slice_eq(quoted(text), slice_str(rows[i].entry)));
		assert_int_equal(policy_allow_read(quoted(text), &a, &why), 0);
		assert_memory_equal(&a.addr.addr, &e.flow.dst, sizeof(e.flow.dst));
		assert_int_equal(a.addr.prefix_len, 128);
		assert_int_equal(a.port, has_port ? rows[i].port : 0);
		assert_int_equal(a.proto, has_port ? rows[i].proto : 0);
	}
}

static void a_name_cannot_write_to_a_terminal(void **state)
{
	struct eg_event e = { .reason = EG_REASON_k_tripwire };
	char text[ADVICE_MAX];

	(void)state;
	memcpy(e.name, "x\033[2J\nAPI.openai.com", 20);
	advice_event(&e, text, sizeof(text));
	assert_ptr_equal(strstr(text, "x??2????"), text);
	for (const char *c = text; *c; c++)
		assert_in_range(*c, ' ', '~');
	memset(e.name, 'a', sizeof(e.name)); /* no NUL at its end */
	advice_event(&e, text, sizeof(text));
	assert_in_range(strlen(text), EG_EVENT_NAME, ADVICE_MAX - 1);
}

static void a_name_that_dns_taught_comes_first(void **state)
{
	static const char *const not_for_a_list[] = { "",     "a?b.org",  "_x.example.org",
						      "db",   "a..b",	  "x.123",
						      ".org", "192.0.2.1" };
	struct eg_event e = denied("2001:db8::9", 443, IPPROTO_TCP);
	char text[ADVICE_MAX];

	(void)state;
	(void)snprintf(e.name, sizeof(e.name), "api.example.org");
	advice_event(&e, text, sizeof(text));
	assert_true(slice_eq(quoted(text), SLICE("api.example.org:443/tcp")));
	assert_non_null(strstr(text, "(or \"[2001:db8::9]:443/tcp\")"));
	for (size_t i = 0; i < ARRAY_SIZE(not_for_a_list); i++) {
		(void)snprintf(e.name, sizeof(e.name), "%s", not_for_a_list[i]);
		advice_event(&e, text, sizeof(text));
		assert_true(slice_eq(quoted(text), SLICE("[2001:db8::9]:443/tcp")));
	}
	/* The longest: the advice is whole. */
	memset(e.name, 'a', 100);
	e.name[50] = '.';
	e.name[100] = '\0';
	e.flow.dport = 65535;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", &e.flow.dst),
			 1);
	advice_event(&e, text, sizeof(text));
	assert_string_equal(text + strlen(text) - 12, "the workload");
	e.name[100] = 'a';
	e.name[101] = '\0';
	advice_event(&e, text, sizeof(text));
	assert_int_equal(quoted(text).p[0], '[');
	e = denied("2001:db8::9", 0, IPPROTO_ICMPV6); /* a name without a port would allow more */
	(void)snprintf(e.name, sizeof(e.name), "api.example.org");
	advice_event(&e, text, sizeof(text));
	assert_true(slice_eq(quoted(text), SLICE("2001:db8::9")));
}

static void ech_is_said_with_its_name(void **state)
{
	struct eg_event e = { .reason = EG_REASON_k_ech, .name = "api.openai.com" };
	char text[ADVICE_MAX];

	(void)state;
	advice_event(&e, text, sizeof(text));
	assert_ptr_equal(strstr(text, "api.openai.com: "), text);
	assert_non_null(strstr(text, "resolver"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_entry_is_read_as_what_was_denied),
		cmocka_unit_test(a_name_cannot_write_to_a_terminal),
		cmocka_unit_test(a_name_that_dns_taught_comes_first),
		cmocka_unit_test(ech_is_said_with_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
