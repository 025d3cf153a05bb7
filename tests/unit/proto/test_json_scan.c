/* SPDX-License-Identifier: Apache-2.0 */
/* Every body is scanned whole and cut at every byte: the result must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "proto/json_scan.h"

#define STRING (1u << JSON_SCAN_STRING)
#define NUMBER (1u << JSON_SCAN_UINT)
#define BOOL   (1u << JSON_SCAN_BOOL)
#define NUL    (1u << JSON_SCAN_NULL)

enum { MODEL, MAX, STREAM, BATCH_MODEL, BATCH_MAX, NESTED };
static const struct json_scan_want wants[] = {
	[MODEL] = { "model", STRING },
	[MAX] = { "max_tokens", NUMBER | NUL },
	[STREAM] = { "stream", BOOL | NUL },
	[BATCH_MODEL] = { "requests[].params.model", STRING },
	[BATCH_MAX] = { "requests[].params.max_tokens", NUMBER },
	[NESTED] = { "generationConfig.maxOutputTokens", NUMBER },
};

static unsigned parses;

/* In the library's place: how often is it called? */
yajl_status yajl_parse(yajl_handle h, const unsigned char *p, size_t n)
{
	yajl_status (*real)(yajl_handle, const unsigned char *, size_t) =
		(yajl_status(*)(yajl_handle, const unsigned char *, size_t))dlsym(RTLD_NEXT,
										  "yajl_parse");

	parses++;
	return real(h, p, n);
}

static struct json_scan *begin(const struct json_scan_want *w, size_t n, struct pool *pool)
{
	static struct json_scan_plan plan;

	assert_int_equal(json_scan_plan(w, n, &plan), 0);
	return json_scan_new(&plan, 100, pool);
}

struct scanned {
	struct pool pool;
	struct json_scan *s;
	enum json_scan_result r;
};

static void done(struct scanned *t)
{
	t->s = json_scan_free(t->s);
	pool_clear(&t->pool, false);
}

/* In pieces of `step` bytes; 0: in one. */
static struct scanned scan(struct slice body, size_t step)
{
	struct scanned t = { 0 };

	pool_init(&t.pool, 1 << 20);
	t.s = begin(wants, ARRAY_SIZE(wants), &t.pool);
	assert_non_null(t.s);
	for (size_t n = step; step && n < body.n; n += step) {
		/* A buffer of exactly this size, so that reading past it is seen by the sanitizer.
		 */
		char *copy = malloc(n);

		memcpy(copy, body.p, n);
		t.r = json_scan_feed(t.s, slice_of(copy, n));
		free(copy);
		if (t.r != JSON_SCAN_OK)
			return t;
	}
	t.r = json_scan_finish(t.s, body);
	return t;
}

static void expect_n(struct slice body, enum json_scan_result want, int key)
{
	for (size_t step = 0; step <= body.n && step < 80; step++) {
		struct scanned t = scan(body, step);

		if (t.r != want)
			fail_msg("%.*s in steps of %zu: %d, not %d", (int)body.n, body.p, step, t.r,
				 want);
		if (key >= 0)
			assert_string_equal(json_scan_key(t.s), wants[key].path);
		done(&t);
	}
}

static void expect(const char *body, enum json_scan_result want, int key)
{
	expect_n(slice_str(body), want, key);
}

static void values_are_found_with_their_place(void **state)
{
	static const char body[] = " { \"a\":[1,{\"model\":\"no\"}] , \"model\" :\n \"gpt-4o\","
				   "\"max_tokens\":4096 ,\"stream\":true}\n ";

	(void)state;
	for (size_t step = 0; step < sizeof(body); step++) {
		struct scanned t = scan(SLICE(body), step);
		const struct json_scan_value *v;
		const size_t *objects;

		assert_int_equal(t.r, JSON_SCAN_OK);
		assert_int_equal(json_scan_values(t.s, &v), 3);
		assert_int_equal(v[0].key, MODEL);
		assert_true(slice_eq(v[0].text, SLICE("gpt-4o")));
		assert_memory_equal(body + v[0].start, "\"gpt-4o\"", 8);
		assert_int_equal(v[0].end - v[0].start, 8);
		assert_int_equal(v[1].key, MAX);
		assert_int_equal(v[1].number, 4096);
		assert_memory_equal(body + v[1].start, "4096 ", 5);
		assert_int_equal(v[1].end - v[1].start, 4);
		assert_int_equal(v[2].number, 1);
		assert_memory_equal(body + v[2].start, "true}", 5);
		assert_int_equal(v[0].object, 2);
		assert_int_equal(json_scan_objects(t.s, MAX, &objects), 1);
		assert_int_equal(objects[0], 2);
		assert_int_equal(json_scan_top(t.s), 2);
		assert_int_equal(json_scan_objects(t.s, NESTED, &objects), 0);
		done(&t);
	}
}

static void elements_of_an_array_are_each_found(void **state)
{
	static const char body[] = "{\"requests\":[{\"params\":{\"model\":\"a\",\"max_tokens\":1}},"
				   "{\"model\":1,\"params\":{\"max_tokens\":2,\"model\":\"b\"}},"
				   "{\"params\":{\"x\":{\"model\":2}}}]}";
	static const struct {
		unsigned key;
		const char *raw;
	} want[] = { { BATCH_MODEL, "\"a\"" },
		     { BATCH_MAX, "1" },
		     { BATCH_MAX, "2" },
		     { BATCH_MODEL, "\"b\"" } };

	(void)state;
	for (size_t step = 0; step < sizeof(body); step++) {
		struct scanned t = scan(SLICE(body), step);
		const struct json_scan_value *v;
		const size_t *objects;

		assert_int_equal(t.r, JSON_SCAN_OK);
		assert_int_equal(json_scan_values(t.s, &v), 4);
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(v[i].key, want[i].key);
			assert_memory_equal(body + v[i].start, want[i].raw, v[i].end - v[i].start);
		}
		assert_int_equal(json_scan_objects(t.s, BATCH_MAX, &objects), 3);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(body[objects[i] - 1], '{');
		done(&t);
	}
}

static void what_two_readers_could_read_differently_is_refused(void **state)
{
	(void)state;
	expect("{\"model\":\"a\",\"model\":\"a\"}", JSON_SCAN_DUPLICATE, MODEL);
	expect("{\"model\":\"a\",\"b\":{\"model\":1},\"model\":\"b\"}", JSON_SCAN_DUPLICATE, MODEL);
	expect("{\"requests\":[],\"requests\":[]}", JSON_SCAN_DUPLICATE, BATCH_MODEL);
	expect("{\"requests\":[{\"params\":{},\"params\":{}}]}", JSON_SCAN_DUPLICATE, BATCH_MODEL);
	expect("{\"mod\\u0065l\":\"a\"}", JSON_SCAN_ESCAPED, MODEL);
	expect("{\"\\u006dodel\":\"a\",\"model\":\"b\"}", JSON_SCAN_ESCAPED, MODEL);
	expect("{\"requ\\u0065sts\":[]}", JSON_SCAN_ESCAPED, BATCH_MODEL);
	expect("{\"requests\":[{\"params\":{\"m\\u006fdel\":\"x\"}}]}", JSON_SCAN_ESCAPED,
	       BATCH_MODEL);
	expect("{\"requests\":[{\"params\":{\"model\":\"x\",\"model\":\"y\"}}]}",
	       JSON_SCAN_DUPLICATE, BATCH_MODEL);
}

/* Some readers ignore case in keys (Go's encoding/json, .NET's for the web): to them these are the
 * governed key, and the last one counts. */
static void keys_in_another_case_are_refused(void **state)
{
	(void)state;
	expect("{\"model\":\"a\",\"Model\":\"b\"}", JSON_SCAN_ESCAPED, MODEL);
	expect("{\"MODEL\":\"b\"}", JSON_SCAN_ESCAPED, MODEL);
	expect("{\"Requests\":[]}", JSON_SCAN_ESCAPED, BATCH_MODEL);
	expect("{\"requests\":[{\"params\":{\"modeL\":\"x\"}}]}", JSON_SCAN_ESCAPED, BATCH_MODEL);
	expect("{\"generationConfig\":{\"maxoutputtokens\":9}}", JSON_SCAN_ESCAPED, NESTED);
	/* U+017F and U+212A fold into s and k. */
	expect("{\"max_token\xc5\xbf\":9}", JSON_SCAN_ESCAPED, MAX);
	expect("{\"max_to\xe2\x84\xaa\x65ns\":9}", JSON_SCAN_ESCAPED, MAX);
	expect("{\"max_to\\u212Aens\":9}", JSON_SCAN_ESCAPED, MAX);
	/* where nothing governs, case is nobody's business */
	expect("{\"metadata\":{\"Model\":1,\"MODEL\":2},\"model\":\"a\"}", JSON_SCAN_OK, -1);
}

static void keys_that_only_look_alike_are_not_governed(void **state)
{
	(void)state;
	expect("{\"\\\"model\":1,\"modell\":2,\"model \":3,\"model\\u0000\":4,\"model\":\"a\"}",
	       JSON_SCAN_OK, -1);
	expect("{\"a\":\"model\",\"b\":[\"model\",\"model\"],\"c\":{\"model\":{},\"model\":[]}}",
	       JSON_SCAN_OK, -1);
	expect("{\"x\\ny\":1,\"x\\ny\":2}", JSON_SCAN_OK, -1);
}

static void values_of_a_wrong_kind_are_refused(void **state)
{
	static const char *const model[] = { "1",
					     "null",
					     "true",
					     "[\"a\"]",
					     "{\"a\":1}",
					     "1.5",
					     "\"a\\u0000\"",
					     "\"a\\n\"",
					     "\"\\ud800\"",
					     "\"\\udc00x\"",
					     "\"\\ud800\\ud800\"",
					     "\"\\ud800x\\udc00\"",
					     "\"\x7f\"" };
	static const char *const max[] = { "-1",    "1.0",  "1e3", "18446744073709551616",
					   "\"1\"", "true", "[]",  "{}",
					   "-0" };
	char body[200];

	(void)state;
	for (size_t i = 0; i < sizeof(model) / sizeof(*model); i++) {
		snprintf(body, sizeof(body), "{\"model\":%s}", model[i]);
		expect(body, JSON_SCAN_BAD_VALUE, MODEL);
	}
	for (size_t i = 0; i < sizeof(max) / sizeof(*max); i++) {
		snprintf(body, sizeof(body), "{\"a\":0,\"max_tokens\" : %s }", max[i]);
		expect(body, JSON_SCAN_BAD_VALUE, MAX);
	}
	expect("{\"requests\":{}}", JSON_SCAN_BAD_VALUE, BATCH_MODEL);
	expect("{\"requests\":null}", JSON_SCAN_BAD_VALUE, BATCH_MODEL);
	expect("{\"requests\":[1]}", JSON_SCAN_BAD_VALUE, BATCH_MODEL);
	expect("{\"requests\":[[{\"params\":{\"model\":\"a\"}}]]}", JSON_SCAN_BAD_VALUE,
	       BATCH_MODEL);
	expect("{\"requests\":[{\"params\":[]}]}", JSON_SCAN_BAD_VALUE, BATCH_MODEL);
	expect("{\"generationConfig\":null}", JSON_SCAN_BAD_VALUE, NESTED);
	expect("{\"generationConfig\":[{\"maxOutputTokens\":1}]}", JSON_SCAN_BAD_VALUE, NESTED);
}

static void strings_with_escapes_are_decoded(void **state)
{
	static const char body[] =
		"{\"model\":\"gpt\\u002d4\\/\\ud83d\\ude00\\\"\",\"max_tokens\":null}";

	(void)state;
	for (size_t step = 0; step < sizeof(body); step++) {
		struct scanned t = scan(SLICE(body), step);
		const struct json_scan_value *v;

		assert_int_equal(t.r, JSON_SCAN_OK);
		assert_int_equal(json_scan_values(t.s, &v), 2);
		assert_true(slice_eq(v[0].text, SLICE("gpt-4/\xf0\x9f\x98\x80\"")));
		assert_int_equal(body[v[0].start], '"');
		assert_memory_equal(body + v[0].end, ",\"max", 5);
		assert_int_equal(v[1].type, JSON_SCAN_NULL);
		done(&t);
	}
}

/* `n` bytes of 'x', or with escapes among them, where the only %s of the format stands. */
static const char *with_run(const char *format, unsigned n, bool escapes)
{
	static char text[4096];
	char run[2048];

	assert_true(n < sizeof(run));
	memset(run, 'x', n);
	run[n] = '\0';
	for (unsigned i = 15; escapes && i + 1 < n; i += 17)
		memcpy(run + i, i % 2 ? "\\n" : "\\\\", 2);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, sizeof(text), format, run);
#pragma GCC diagnostic pop
	return text;
}

/* Of long strings the parser sees a part: nothing can hide in, before or behind what it does not.
 */
static void long_strings_hide_nothing(void **state)
{
	static const struct {
		const char *format;
		enum json_scan_result want;
		int key;
	} bodies[] = {
		{ "{\"a\":\"%s\",\"model\":\"x\"}", JSON_SCAN_OK, -1 },
		{ "{\"a\":\"%s\\\"\",\"model\":1}", JSON_SCAN_BAD_VALUE, MODEL },
		{ "{\"a\":\"%s\\\\\",\"model\":1}", JSON_SCAN_BAD_VALUE, MODEL },
		{ "{\"a\":\"\\\"%s\",\"model\":1}", JSON_SCAN_BAD_VALUE, MODEL },
		{ "{\"a\":\"%s\\\",\\\"model\\\":1\"}", JSON_SCAN_OK, -1 },
		{ "{\"mod%sel\":1,\"stream\":true}", JSON_SCAN_OK, -1 },
		{ "{\"model%s\":1}", JSON_SCAN_OK, -1 },
		{ "{\"%smodel\":1}", JSON_SCAN_OK, -1 },
		{ "{\"%s\\\"model\":1}", JSON_SCAN_OK, -1 },
		{ "{\"%s\":1,\"model\":\"a\",\"model\":\"b\"}", JSON_SCAN_DUPLICATE, MODEL },
		{ "{\"max_tokens\":\"%s\"}", JSON_SCAN_BAD_VALUE, MAX },
		{ "{\"requests\":[\"%s\"]}", JSON_SCAN_BAD_VALUE, BATCH_MODEL },
		{ "{\"a\":\"%s\n\"}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"%s\xff\"}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"%s\\x\"}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"%s}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"%s\"", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\" \"%s\"}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":1}\"%s\"", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\" \t\r\n: \t\r\n\"%s\",\"model\":1}", JSON_SCAN_BAD_VALUE, MODEL },
		{ "{\"a\":\":\",\"%s\":\":\",\"model\":1}", JSON_SCAN_BAD_VALUE, MODEL },
		{ "{\"a\"::\"%s\"}", JSON_SCAN_MALFORMED, -1 },
		{ "{:\"%s\":1}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"b\":\"%s\"}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"%s\":1}", JSON_SCAN_MALFORMED, -1 },
		{ "{\"a\":\"%s\"\"model\":1}", JSON_SCAN_MALFORMED, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		for (unsigned n = 60; n < 600; n += 67)
			for (int escapes = 0; escapes < 2; escapes++)
				expect(with_run(bodies[i].format, n, escapes), bodies[i].want,
				       bodies[i].key);
}

/* A governed value is read whole, however long. */
static void long_governed_strings_are_read_whole(void **state)
{
	const struct json_scan_value *v;

	(void)state;
	for (unsigned n = 60; n < 1500; n += 71) {
		struct slice body = slice_str(with_run(
			"{\"a\":\"\",\"model\":\"\\u0061%s\",\"max_tokens\":7}", n, false));

		for (size_t step = 0; step < 1000; step = step * 2 + 1) {
			struct scanned t = scan(body, step);

			assert_int_equal(t.r, JSON_SCAN_OK);
			assert_int_equal(json_scan_values(t.s, &v), 2);
			assert_int_equal(v[0].text.n, n + 1);
			assert_memory_equal(v[0].text.p, "axxx", 4);
			assert_int_equal(body.p[v[0].start], '"');
			assert_int_equal(v[0].end - v[0].start, n + 8);
			assert_memory_equal(body.p + v[1].start, "7}", 2);
			done(&t);
		}
	}
}

static void what_is_not_one_json_object_is_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"[]",
		"1",
		"null",
		"\"model\"",
		"{",
		"{\"model\":\"a\"",
		"{\"model\":\"a\"}}",
		"{} {}",
		"{}x",
		"\xef\xbb\xbf{}",
		"{'model':\"a\"}",
		"{\"model\":\"a\",}",
		"{\"model\"\"a\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"\xc0\xaf\":1}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{/* */}",
		"{\"a\":NaN}",
		"{\"a\":tru}",
		"{model:1}",
		"{\"a\":\"b}",
		"nul",
		"{\"a\":1 \"b\":2}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect(bad[i], JSON_SCAN_MALFORMED, -1);
	expect_n(slice_of("{\"a\":\0}", 7), JSON_SCAN_MALFORMED, -1);
	expect_n(slice_of("{}\0", 3), JSON_SCAN_MALFORMED, -1);
}

static void depth_is_bounded(void **state)
{
	char *body = malloc(40000);
	size_t n = 0;

	(void)state;
	n += (size_t)snprintf(body, 40000, "{\"a\":");
	memset(body + n, '[', 10000);
	memset(body + n + 10000, ']', 10000);
	n += 20000;
	body[n++] = '}';
	expect_n(slice_of(body, n), JSON_SCAN_TOO_DEEP, -1);
	/* the object and 99 arrays are the 100 that are allowed */
	n = (size_t)snprintf(body, 40000, "{\"a\":%.*s%.*s}", 99,
			     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
			     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
			     "[[[",
			     99,
			     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
			     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
			     "]]]");
	expect_n(slice_of(body, n), JSON_SCAN_OK, -1);
	free(body);
}

static void number_of_values_is_bounded(void **state)
{
	char *body = malloc(200000);
	size_t n = (size_t)snprintf(body, 200000, "{\"requests\":[");
	struct scanned t;

	(void)state;
	for (int i = 0; i < 1100; i++)
		n += (size_t)snprintf(body + n, 200000 - n, "%s{\"params\":{\"model\":\"m\"}}",
				      i ? "," : "");
	n += (size_t)snprintf(body + n, 200000 - n, "]}");
	t = scan(slice_of(body, n), 0);
	assert_int_equal(t.r, JSON_SCAN_TOO_MANY);
	done(&t);
	free(body);
}

static void memory_beyond_the_pool_is_refused(void **state)
{
	struct pool pool;
	struct json_scan *s;
	char body[5000] = "{\"model\":\"";

	(void)state;
	memset(body + 10, 'x', 4000);
	memcpy(body + 4010, "\"}", 3);
	pool_init(&pool, 4096);
	s = begin(wants, 2, &pool);
	assert_non_null(s);
	assert_int_equal(json_scan_finish(s, slice_str(body)), JSON_SCAN_NO_MEMORY);
	(void)json_scan_free(s);
	pool_clear(&pool, false);
}

static void paths_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = { "",	 ".",	 "a.",	   ".a",   "a[]",
					   "a[", "a[].", "a[0].b", "a[]b", "a.b.c.d.e.f.g.h.i" };
	static const struct json_scan_want many[JSON_SCAN_KEYS_MAX + 1];
	struct json_scan_plan plan;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct json_scan_want w = { bad[i], STRING };

		assert_int_equal(json_scan_plan(&w, 1, &plan), -EINVAL);
	}
	assert_int_equal(json_scan_plan(many, ARRAY_SIZE(many), &plan), -EINVAL);
}

static void a_key_that_no_type_suits_must_not_be_there(void **state)
{
	static const char *const values[] = { "1", "null", "\"x\"", "[]", "{}", "true", "[\"a\"]" };
	static const struct json_scan_want absent[] = { { "models", 0 }, { "model", STRING } };
	char body[100];

	(void)state;
	for (size_t i = 0; i <= sizeof(values) / sizeof(*values); i++) {
		struct pool pool;
		struct json_scan *s;
		bool last = i == sizeof(values) / sizeof(*values);

		snprintf(body, sizeof(body),
			 last ? "{\"model\":\"a\"}" : "{\"model\":\"a\",\"models\":%s}",
			 last ? "" : values[i]);
		pool_init(&pool, 1 << 16);
		s = begin(absent, 2, &pool);
		assert_int_equal(json_scan_finish(s, slice_str(body)),
				 last ? JSON_SCAN_OK : JSON_SCAN_BAD_VALUE);
		if (!last)
			assert_string_equal(json_scan_key(s), "models");
		(void)json_scan_free(s);
		pool_clear(&pool, false);
	}
}

/* Each call of the library costs all of the string that it cuts. */
static void slivers_of_a_long_string_cost_no_more_than_it(void **state)
{
	static char body[256 * 1024];
	struct scanned t;

	(void)state;
	memset(body, 'a', sizeof(body));
	memcpy(body, "{\"x\":\"", 6);
	memcpy(body + sizeof(body) - 17, "\",\"max_tokens\":7}", 17);
	parses = 0;
	t = scan(slice_of(body, sizeof(body)), 1);
	assert_int_equal(t.r, JSON_SCAN_OK);
	assert_in_range(parses, 1, 4096 + 64);
	done(&t);
	/* What stands at the very end is refused all the same. */
	memcpy(body + sizeof(body) - 17, "\",\"max_tokens\":x}", 17);
	t = scan(slice_of(body, sizeof(body)), 16384);
	assert_int_equal(t.r, JSON_SCAN_MALFORMED);
	done(&t);
}

/* What is held of a body once more is known, and given back at its end: one long token, cut. */
static void memory_beside_the_body_is_counted(void **state)
{
	static const char *const long_ones[] = { "{\"model\":\"", "{\"model\":\"\\n", "{\"x\":" };
	static char body[256 * 1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(long_ones); i++) {
		struct scanned t = { 0 };
		size_t before, held = 0;

		memset(body, '7', sizeof(body));
		memcpy(body, long_ones[i], strlen(long_ones[i]));
		pool_init(&t.pool, 1 << 20);
		t.s = begin(wants, ARRAY_SIZE(wants), &t.pool);
		assert_non_null(t.s);
		before = mallinfo2().uordblks + mallinfo2().hblkhd;
		for (size_t n = 4096; n < sizeof(body); n += 4096) {
			assert_int_equal(json_scan_feed(t.s, slice_of(body, n)), JSON_SCAN_OK);
			held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
			if (!before) /* a sanitizer's malloc does not say */
				held = json_scan_memory(t.s);
			assert_true(json_scan_memory(t.s) <= held);
			assert_true(json_scan_memory(t.s) + 32768 >= held); /* pool and pages */
		}
		assert_true(held >= sizeof(body) / 2);
		assert_int_equal(json_scan_finish(t.s, slice_of(body, sizeof(body))),
				 JSON_SCAN_MALFORMED);
		assert_int_equal(json_scan_memory(t.s), 0);
		/* Nor does it matter to ask again. */
		assert_int_equal(json_scan_feed(t.s, slice_of(body, 5)), JSON_SCAN_MALFORMED);
		assert_int_equal(json_scan_finish(t.s, slice_of(body, 5)), JSON_SCAN_MALFORMED);
		done(&t);
	}
}

static void errors_stay(void **state)
{
	struct scanned t = scan(SLICE("{\"model\":1,"), 0);

	(void)state;
	assert_int_equal(t.r, JSON_SCAN_BAD_VALUE);
	assert_int_equal(json_scan_feed(t.s, SLICE("{\"model\":1,\"a\":2}")), JSON_SCAN_BAD_VALUE);
	assert_int_equal(json_scan_finish(t.s, SLICE("{\"model\":1,\"a\":2}")),
			 JSON_SCAN_BAD_VALUE);
	done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_with_their_place),
		cmocka_unit_test(elements_of_an_array_are_each_found),
		cmocka_unit_test(what_two_readers_could_read_differently_is_refused),
		cmocka_unit_test(keys_in_another_case_are_refused),
		cmocka_unit_test(keys_that_only_look_alike_are_not_governed),
		cmocka_unit_test(values_of_a_wrong_kind_are_refused),
		cmocka_unit_test(strings_with_escapes_are_decoded),
		cmocka_unit_test(long_strings_hide_nothing),
		cmocka_unit_test(long_governed_strings_are_read_whole),
		cmocka_unit_test(what_is_not_one_json_object_is_malformed),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(number_of_values_is_bounded),
		cmocka_unit_test(memory_beyond_the_pool_is_refused),
		cmocka_unit_test(paths_that_make_no_sense_are_refused),
		cmocka_unit_test(a_key_that_no_type_suits_must_not_be_there),
		cmocka_unit_test(slivers_of_a_long_string_cost_no_more_than_it),
		cmocka_unit_test(memory_beside_the_body_is_counted),
		cmocka_unit_test(errors_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
