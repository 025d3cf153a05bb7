/* SPDX-License-Identifier: Apache-2.0 */
/* A ClientHello behind records of any kind: found where one ends, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/chain.h"

#define ROOM 300000u

static const uint8_t hello[] = { 22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3 };

/* Fed in runs of at most `most` bytes, as callers do: where it was found, or SIZE_MAX. */
static size_t find(const uint8_t *p, size_t n, size_t most)
{
	struct chain c = { 0 };
	size_t at = 0;

	while (at < n) {
		size_t run = chain_run(&c), left = n - at < most ? n - at : most;

		if (run) {
			run = run < left ? run : left;
			chain_passed(&c, (uint32_t)run);
			at += run;
		} else if (chain_byte(&c, p[at++])) {
			return at;
		}
	}
	return SIZE_MAX;
}

static size_t put_record(uint8_t *p, uint8_t type, uint8_t version, size_t n)
{
	p[0] = type;
	p[1] = p[2] = version;
	p[3] = (uint8_t)(n >> 8);
	p[4] = (uint8_t)n;
	memset(p + 5, 1, n);
	return 5 + n;
}

static void behind_any_record(void **state)
{
	static const size_t sizes[] = { 0, 1, 5, 255, 256, 16384, 65535 };
	static uint8_t wire[ROOM];

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		size_t n = 0;

		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			if (type == 22 && sizes[i])
				continue; /* its content would begin one */
			n += put_record(wire + n, (uint8_t)type, (uint8_t)(type * 7), sizes[i]);
		}
		memcpy(wire + n, hello, sizeof(hello));
		n += sizeof(hello);
		assert_int_equal(find(wire, n, n), n);
		assert_int_equal(find(wire, n, 1), n);
		assert_int_equal(find(wire, n - 1, n), SIZE_MAX);
	}
}

static void one_byte_beside_is_data(void **state)
{
	static uint8_t wire[ROOM];
	size_t n = put_record(wire, 'G', 'E', 1000);

	(void)state;
	memcpy(wire + n - 1, hello, sizeof(hello));
	assert_int_equal(find(wire, n - 1 + sizeof(hello), 64), SIZE_MAX);
	wire[n] = 0;
	memcpy(wire + n + 1, hello, sizeof(hello));
	assert_int_equal(find(wire, n + 1 + sizeof(hello), 64), SIZE_MAX);
}

/* Whatever the record's version; cut into records so short that it cannot be told from one. */
static void forms_of_a_hello(void **state)
{
	uint8_t p[sizeof(hello)];

	(void)state;
	for (unsigned version = 0; version < 256; version++) {
		memcpy(p, hello, sizeof(p));
		p[1] = (uint8_t)version;
		assert_int_equal(find(p, sizeof(p), sizeof(p)), sizeof(p));
	}
	for (uint8_t length = 1; length < 6; length++) {
		memcpy(p, hello, sizeof(p));
		p[4] = length;
		assert_int_equal(find(p, sizeof(p), sizeof(p)), 6);
	}
	memcpy(p, hello, sizeof(p));
	p[9] = 4; /* not what a client says that it speaks */
	assert_int_equal(find(p, sizeof(p), sizeof(p)), SIZE_MAX);
	memcpy(p, hello, sizeof(p));
	p[6] = 1; /* longer than any */
	assert_int_equal(find(p, sizeof(p), sizeof(p)), SIZE_MAX);
	memcpy(p, hello, sizeof(p));
	p[5] = 2; /* a server's */
	assert_int_equal(find(p, sizeof(p), sizeof(p)), SIZE_MAX);
}

static void much_of_anything_is_none(void **state)
{
	static uint8_t wire[ROOM];

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(wire); i++)
			wire[i] = (uint8_t)rand();
		assert_int_equal(find(wire, sizeof(wire), 1448), SIZE_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_any_record),
		cmocka_unit_test(one_byte_beside_is_data),
		cmocka_unit_test(forms_of_a_hello),
		cmocka_unit_test(much_of_anything_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
