/* SPDX-License-Identifier: Apache-2.0 */
/* The tripwire's reader of ClientHellos, natively: cuts, records, lengths that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/sni.h"

#define BASE 52 /* headers in front: none of these bytes may be taken for payload */

struct wire {
	uint8_t b[20000];
	size_t n;
};

static int load(void *ctx, __u32 offset, void *to, __u32 n)
{
	struct wire *w = ctx;

	if (offset < BASE || offset + n > BASE + w->n)
		return -1;
	memcpy(to, w->b + offset - BASE, n);
	return 0;
}

/* As lib/trip.h does it. */
static enum sni_result read_n(struct wire *w, size_t n, struct sni *s)
{
	struct wire cut = *w;
	enum sni_result r;

	memset(s, 0xaa, sizeof(*s));
	cut.n = n;
	s->base = BASE;
	s->n = (uint32_t)n;
	r = sni_begin(load, &cut, s);
	if (r != SNI_NAME)
		return r;
	for (unsigned i = 0; i < SNI_EXTENSIONS_MAX && !sni_extension_round(load, &cut, s); i++)
		;
	r = sni_end(s);
	if (r != SNI_NAME)
		return r;
	if (load(&cut, s->name_at, s->name.s + 1, s->name.n - 1))
		return SNI_ODD;
	for (unsigned i = 0; i <= NAME_MAX_BYTES && !sni_name_round(s); i++)
		;
	return s->result;
}

static enum sni_result read_all(struct wire *w, struct sni *s)
{
	return read_n(w, w->n, s);
}

static void put(struct wire *w, const void *p, size_t n)
{
	memcpy(w->b + w->n, p, n);
	w->n += n;
}

static void put_u16(struct wire *w, size_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(w, b, 2);
}

static void put_extension(struct wire *w, unsigned type, const void *p, size_t n)
{
	put_u16(w, type);
	put_u16(w, n);
	put(w, p, n);
}

static void put_server_name(struct wire *w, const char *name, size_t n)
{
	put_u16(w, 0);
	put_u16(w, n + 5);
	put_u16(w, n + 3);
	put(w, "\0", 1);
	put_u16(w, n);
	put(w, name, n);
}

/* A hello whose extensions are these. */
static void frame(struct wire *w, const struct wire *extensions)
{
	size_t body = 2 + 32 + 1 + 32 + 2 + 4 + 1 + 1 + 2 + extensions->n;
	static const uint8_t zero[64];

	w->n = 0;
	put(w, "\x16\x03\x01", 3);
	put_u16(w, body + 4);
	put(w, "\x01\0", 2);
	put_u16(w, body);
	put(w, "\x03\x03", 2);
	put(w, zero, 32);
	put(w, "\x20", 1);
	put(w, zero, 32);
	put_u16(w, 4);
	put(w, "\x13\x01\x13\x02", 4);
	put(w, "\x01\0", 2);
	put_u16(w, extensions->n);
	put(w, extensions->b, extensions->n);
}

static void hello(struct wire *w, const char *name, size_t key_share)
{
	struct wire *x = calloc(1, sizeof(*x));
	static const uint8_t share[16000];

	put_extension(x, 43, "\x02\x03\x04", 3);
	put_extension(x, 51, share, key_share);
	if (name)
		put_server_name(x, name, strlen(name));
	put_extension(x, 23, "", 0);
	frame(w, x);
	free(x);
}

static void assert_name(const struct sni *s, const char *name)
{
	assert_int_equal(s->name.n, strlen(name));
	assert_memory_equal(s->name.s, name, strlen(name));
}

static void a_name_is_read_and_made_lower_case(void **state)
{
	static struct wire w;
	struct sni s;

	(void)state;
	hello(&w, "API.OpenAI.com", 32);
	assert_int_equal(read_all(&w, &s), SNI_NAME);
	assert_name(&s, ".api.openai.com");
	hello(&w, "api.openai.com.", 32);
	assert_int_equal(read_all(&w, &s), SNI_NAME);
	assert_name(&s, ".api.openai.com");
	hello(&w, "api.openai.com", 12000); /* larger than any post-quantum share */
	assert_int_equal(read_all(&w, &s), SNI_NAME);
	assert_name(&s, ".api.openai.com");
}

static void every_cut_is_held(void **state)
{
	static struct wire w;
	struct sni s;

	(void)state;
	hello(&w, "api.openai.com", 1216);
	for (size_t n = 0; n < w.n; n++)
		assert_int_equal(read_n(&w, n, &s), SNI_MORE);
	put(&w, "early data", 10);
	assert_int_equal(read_all(&w, &s), SNI_NAME);
}

static enum sni_result first(uint8_t b)
{
	return b >= 20 && b <= 24 ? SNI_MORE : SNI_OTHER;
}

static void what_is_no_tls_passes_at_once(void **state)
{
	static const uint8_t none[][6] = {
		{ 21, 0, 0, 0, 100, 255 }, /* 9P2000.L: a length, little-endian */
		{ 21, 0, 71, 14, 'm', 'c' }, /* Minecraft */
		{ 20, 1, 0, 0, 1, 0 }, /* MongoDB: a length again */
		{ 22, 1, 0, 0, 1, 0 },	     { 23, 0, 0, 0, 0, 0 },   { 24, 16, 0, 0, 0, 1 },
		{ 21, 1, 0, 0, 2, 3 },	     { 22, 255, 0, 0, 1, 2 },
	};
	static struct wire w;
	struct sni s;

	(void)state;
	for (unsigned b = 0; b < 256; b++) {
		w = (struct wire){ .b = { (uint8_t)b }, .n = 1 };
		assert_int_equal(read_all(&w, &s), first((uint8_t)b));
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		w = (struct wire){ .n = 6 };
		memcpy(w.b, none[i], 6);
		assert_int_equal(read_all(&w, &s), SNI_OTHER);
	}
	hello(&w, NULL, 32);
	assert_int_equal(read_all(&w, &s), SNI_NONE);
}

/* Some servers go on to a hello behind it. */
static void other_beginnings_of_tls_are_odd(void **state)
{
	/* Behind a version that nobody has. */
	static const uint8_t odd[][6] = {
		{ 22, 0, 1, 2, 0, 1 },	{ 22, 0, 1, 0, 1, 1 }, { 22, 0, 1, 0, 0, 22 },
		{ 21, 0, 1, 0, 2, 1 },	{ 21, 0, 1, 0, 2, 2 }, { 21, 0, 1, 0, 1, 1 },
		{ 21, 0, 1, 0, 0, 22 },
	};
	static struct wire w;
	struct sni s;

	(void)state;
	for (unsigned version = 0; version < 256; version++) {
		if (version == 3)
			continue;
		for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
			w = (struct wire){ .n = 6 };
			memcpy(w.b, odd[i], 6);
			w.b[1] = (uint8_t)version;
			assert_int_equal(read_all(&w, &s), SNI_ODD);
			for (size_t n = 0; n < 6; n++)
				assert_int_equal(read_n(&w, n, &s), SNI_MORE);
		}
	}
	for (uint8_t type = 20; type <= 24; type++) {
		w = (struct wire){ .b = { type, 3 }, .n = 2 };
		assert_int_equal(read_all(&w, &s), type == 22 ? SNI_MORE : SNI_ODD);
	}
	w = (struct wire){ .b = { 22, 3, 3, 0, 80, 16, 0, 0, 0 }, .n = 9 }; /* no ClientHello */
	assert_int_equal(read_all(&w, &s), SNI_ODD);
}

static void split_at_every_record_is_odd(void **state)
{
	static struct wire whole, w;
	struct sni s;

	(void)state;
	hello(&whole, "api.openai.com", 32);
	for (size_t cut = 1; cut < whole.n - 5; cut++) {
		w.n = 0;
		put(&w, "\x16\x03\x01", 3);
		put_u16(&w, cut);
		put(&w, whole.b + 5, cut);
		put(&w, "\x16\x03\x01", 3);
		put_u16(&w, whole.n - 5 - cut);
		put(&w, whole.b + 5 + cut, whole.n - 5 - cut);
		assert_int_equal(read_all(&w, &s), SNI_ODD);
	}
}

static void lengths_that_lie_are_odd(void **state)
{
	static const size_t lengths[] = { 3, 4, 6, 7, 8, 43, 76, 77, 82, 84, 85 };
	static struct wire w;
	struct sni s;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (int by = -1; by <= 1; by += 2) {
			hello(&w, "api.openai.com", 32);
			w.b[lengths[i]] = (uint8_t)(w.b[lengths[i]] + by);
			assert_int_not_equal(read_all(&w, &s), SNI_NAME);
			assert_int_not_equal(read_all(&w, &s), SNI_NONE);
			assert_int_not_equal(read_all(&w, &s), SNI_OTHER);
		}
}

static enum sni_result with(const struct wire *extensions, struct sni *s)
{
	static struct wire w;

	frame(&w, extensions);
	return read_all(&w, s);
}

static void a_name_is_one_name(void **state)
{
	static struct wire x;
	char longest[256];
	struct sni s;

	(void)state;
	memset(longest, 'a', sizeof(longest));
	x.n = 0;
	put_server_name(&x, "a.org", 5);
	put_server_name(&x, "api.openai.com", 14);
	assert_int_equal(with(&x, &s), SNI_ODD);
	x.n = 0;
	put_extension(&x, 0, "\0\x0c\0\0\3a.b\0\0\3c.d", 14); /* two in one list */
	assert_int_equal(with(&x, &s), SNI_ODD);
	x.n = 0;
	put_extension(&x, 0, "", 0);
	assert_int_equal(with(&x, &s), SNI_ODD);
	x.n = 0;
	put_server_name(&x, "", 0);
	assert_int_equal(with(&x, &s), SNI_ODD);
	x.n = 0;
	put_server_name(&x, "api\0openai.com", 14);
	assert_int_equal(with(&x, &s), SNI_ODD);
	x.n = 0;
	put_server_name(&x, longest, NAME_MAX_BYTES - 1);
	assert_int_equal(with(&x, &s), SNI_NAME);
	x.n = 0;
	put_server_name(&x, longest, NAME_MAX_BYTES);
	assert_int_equal(with(&x, &s), SNI_ODD);
}

static void extensions_without_end_are_odd(void **state)
{
	static struct wire x;
	struct sni s;

	(void)state;
	x.n = 0;
	for (unsigned i = 0; i < SNI_EXTENSIONS_MAX - 1; i++)
		put_extension(&x, 0x1000 + i, "", 0);
	put_server_name(&x, "a.org", 5);
	assert_int_equal(with(&x, &s), SNI_NAME);
	x.n = 0;
	for (unsigned i = 0; i < SNI_EXTENSIONS_MAX; i++)
		put_extension(&x, 0x1000 + i, "", 0);
	put_server_name(&x, "api.openai.com", 14);
	assert_int_equal(with(&x, &s), SNI_ODD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_read_and_made_lower_case),
		cmocka_unit_test(every_cut_is_held),
		cmocka_unit_test(what_is_no_tls_passes_at_once),
		cmocka_unit_test(other_beginnings_of_tls_are_odd),
		cmocka_unit_test(split_at_every_record_is_odd),
		cmocka_unit_test(lengths_that_lie_are_odd),
		cmocka_unit_test(a_name_is_one_name),
		cmocka_unit_test(extensions_without_end_are_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
