/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of an allow-list lets through, and the table of addresses of allowed names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/allow.h"

static struct eg_addr addr(uint32_t n)
{
	struct eg_addr a;

	addr_map4(&a, bpf_htonl(n));
	return a;
}

static const struct eg_allowed_entry *find(struct eg_allowed *t, uint32_t n, uint64_t netns,
					   uint64_t rule)
{
	struct eg_addr a = addr(n);

	return allow_find(t, &a, netns, rule);
}

static void put(struct eg_allowed *t, uint32_t n, uint64_t netns, uint64_t rule, uint64_t now)
{
	struct eg_addr a = addr(n);

	allow_put(t, &a, netns, rule, now);
}

static void services_are_port_and_protocol(void **state)
{
	struct eg_allow a = { .n = 2, .service = { { 443, 6, 0 }, { 53, 17, 0 }, { 80, 6, 0 } } };

	(void)state;
	assert_true(allow_serves(&a, 6, 443));
	assert_true(allow_serves(&a, 17, 53));
	assert_false(allow_serves(&a, 17, 443));
	assert_false(allow_serves(&a, 6, 53));
	assert_false(allow_serves(&a, 6, 80)); /* past the end */
	assert_false(allow_serves(&a, 6, ALLOW_NO_PORT));
	assert_false(allow_serves(&a, 1, 443));
	a.service[0].port = 0;
	assert_false(allow_serves(&a, 6, 0)); /* a packet without a port passes only where all do */
	a.n = UINT32_MAX;
	assert_false(allow_serves(&a, 6, 8080));
	a.n = 0;
	assert_true(allow_serves(&a, 6, ALLOW_NO_PORT));
	assert_true(allow_serves(&a, 255, 1));
}

static void entries_are_apart_by_namespace_and_rule(void **state)
{
	struct eg_allowed *t = calloc(1, sizeof(*t));

	(void)state;
	put(t, 1, 7, 100, 5);
	assert_non_null(find(t, 1, 7, 100));
	assert_null(find(t, 1, 8, 100));
	assert_null(find(t, 1, 7, 101));
	assert_null(find(t, 2, 7, 100));
	put(t, 1, 7, 101, 6);
	put(t, 1, 8, 100, 7);
	assert_int_equal(find(t, 1, 7, 100)->time_ns, 5);
	put(t, 1, 7, 100, 9);
	assert_int_equal(find(t, 1, 7, 100)->time_ns, 9);
	assert_int_equal(find(t, 1, 7, 101)->time_ns, 6);
	free(t);
}

static void a_full_set_loses_its_oldest(void **state)
{
	struct eg_allowed *t = calloc(1, sizeof(*t));
	uint64_t now = 1;

	(void)state;
	for (uint32_t n = 0; n < 4096; n++)
		put(t, n, 7, 100, now++);
	for (unsigned s = 0; s < EG_LEARNED_SETS; s++)
		for (unsigned w = 0; w < EG_LEARNED_WAYS; w++)
			assert_true(t->entry[s][w].time_ns > 3000); /* only late ones are left */
	assert_non_null(find(t, 4095, 7, 100));
	free(t);
}

static void entries_age(void **state)
{
	struct eg_allowed_entry e = { .time_ns = 1000 };

	(void)state;
	assert_true(allow_is_fresh(&e, 1000));
	assert_true(allow_is_fresh(&e, 999 + EG_ALLOWED_KEEP_NS));
	assert_false(allow_is_fresh(&e, 1000 + EG_ALLOWED_KEEP_NS));
	assert_false(allow_is_fresh(&e, 999)); /* the clock does not go back */
	e.time_ns = 0;
	assert_false(allow_is_fresh(&e, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_port_and_protocol),
		cmocka_unit_test(entries_are_apart_by_namespace_and_rule),
		cmocka_unit_test(a_full_set_loses_its_oldest),
		cmocka_unit_test(entries_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
