/* SPDX-License-Identifier: Apache-2.0 */
/* What a cgroup called addresses that it was refused: the newest names, one an address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/asked.h"

static struct eg_addr addr(uint32_t n)
{
	struct eg_addr a;

	addr_map4(&a, bpf_htonl(n));
	return a;
}

static void put(struct eg_asked *t, uint32_t n, const char *text)
{
	char name[EG_EVENT_NAME] = { 0 };
	struct eg_addr a = addr(n);

	(void)snprintf(name, sizeof(name), "%s", text);
	asked_put(t, &a, name);
}

static const char *find(struct eg_asked *t, uint32_t n)
{
	struct eg_addr a = addr(n);
	uint32_t i = asked_find(t, &a);

	return i ? t->entry[i - 1].name : NULL;
}

static void the_last_name_of_an_address_is_kept(void **state)
{
	struct eg_asked t = { 0 };

	(void)state;
	assert_null(find(&t, 0)); /* what is free is nobody's, whatever its address says */
	put(&t, 1, "a.example");
	put(&t, 2, "b.example");
	put(&t, 1, "c.example");
	assert_string_equal(find(&t, 1), "c.example");
	assert_string_equal(find(&t, 2), "b.example");
	assert_null(find(&t, 3));
}

static void the_oldest_makes_room(void **state)
{
	struct eg_asked t = { 0 };

	(void)state;
	for (uint32_t i = 0; i <= EG_ASKED; i++)
		put(&t, 100 + i, "a.example");
	assert_null(find(&t, 100));
	for (uint32_t i = 1; i <= EG_ASKED; i++)
		assert_non_null(find(&t, 100 + i));
	t.next = UINT64_MAX; /* whatever it counts to, it stays inside */
	put(&t, 7, "b.example");
	put(&t, 8, "b.example");
	assert_string_equal(find(&t, 7), "b.example");
	assert_string_equal(find(&t, 8), "b.example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_name_of_an_address_is_kept),
		cmocka_unit_test(the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
