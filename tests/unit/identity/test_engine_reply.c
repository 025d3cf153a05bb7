/* SPDX-License-Identifier: Apache-2.0 */
/* A container engine's answer: taken whole, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "identity/engine_reply.h"

#define ID    "4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be0123"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"

static int read_text(const char *text, struct engine_facts *f)
{
	*f = (struct engine_facts){ 0 };
	return engine_reply_read(slice_str(text), slice_str(ID), f);
}

static void what_docker_and_podman_say(void **state)
{
	struct engine_facts f;

	(void)state;
	assert_int_equal(
		read_text("{\"Id\":\"" ID "\",\"Created\":\"2026\",\"Image\":\"sha256:ab\","
			  "\"Config\":{\"Image\":\"agent:1\",\"Labels\":{\"a.b\":\"c\",\"e\":\"\"},"
			  "\"Env\":[\"KEY=sk-secret\"]}}",
			  &f),
		0);
	assert_string_equal(f.image, "agent:1");
	assert_string_equal(f.image_id, "sha256:ab");
	assert_true(slice_eq(engine_facts_label(&f, SLICE("a.b")), SLICE("c")));
	assert_true(slice_eq(engine_facts_label(&f, SLICE("e")), SLICE("")));
	assert_null(engine_facts_label(&f, SLICE("a")).p);
	engine_facts_done(&f);
	assert_int_equal(read_text("{\"Id\":\"" ID "\",\"Image\":\"\",\"Config\":{\"Image\":\"\","
				   "\"Labels\":null}}",
				   &f),
			 0);
	assert_int_equal(json_object_size(f.labels), 0);
	engine_facts_done(&f);
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"message\":\"no such container\"}",
		"{\"Id\":\"" OTHER "\",\"Image\":\"\",\"Config\":{\"Image\":\"\"}}",
		"{\"Id\":\"" ID "0\",\"Image\":\"\",\"Config\":{\"Image\":\"\"}}",
		"{\"Id\":7,\"Image\":\"\",\"Config\":{\"Image\":\"\"}}",
		"{\"Id\":\"" ID "\",\"Config\":{\"Image\":\"\"}}",
		"{\"Id\":\"" ID "\",\"Image\":\"\",\"Config\":{\"Image\":1}}",
		"{\"Id\":\"" ID "\",\"Image\":\"\",\"Config\":[]}",
		"{\"Id\":\"" ID "\",\"Image\":\"\",\"Config\":{\"Image\":\"\",\"Labels\":[]}}",
		"{\"Id\":\"" ID
		"\",\"Image\":\"\",\"Config\":{\"Image\":\"\",\"Labels\":{\"a\":1}}}",
		"{\"Id\":\"" ID "\",\"Id\":\"" ID "\",\"Image\":\"\",\"Config\":{\"Image\":\"\"}}",
		"{\"Id\":\"" ID "\",\"Image\":\"a\\u0000b\",\"Config\":{\"Image\":\"\"}}",
	};
	struct engine_facts f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (read_text(bad[i], &f) != -EPROTO)
			fail_msg("accepted: %s", bad[i]);
		assert_null(f.image);
	}
}

#define HEAD "{\"Id\":\"" ID "\",\"Image\":\"\",\"Config\":{\"Image\":\""

static void an_image_has_a_longest_name(void **state)
{
	struct engine_facts f;
	struct buf text;

	(void)state;
	buf_init(&text, ENGINE_REPLY_MAX);
	assert_int_equal(buf_printf(&text, HEAD "%0*d\"}}", (int)ENGINE_TEXT_MAX, 1), 0);
	assert_int_equal(engine_reply_read(buf_slice(&text), SLICE(ID), &f), 0);
	engine_facts_done(&f);
	buf_clear(&text);
	assert_int_equal(buf_printf(&text, HEAD "%0*d\"}}", (int)ENGINE_TEXT_MAX + 1, 1), 0);
	assert_int_equal(engine_reply_read(buf_slice(&text), SLICE(ID), &f), -EPROTO);
	buf_release(&text);
}

static int with_labels(unsigned n)
{
	struct engine_facts f = { 0 };
	struct buf text;
	int r;

	buf_init(&text, ENGINE_REPLY_MAX);
	assert_int_equal(buf_printf(&text, HEAD "\",\"Labels\":{"), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(buf_printf(&text, "%s\"l%u\":\"\"", i ? "," : "", i), 0);
	assert_int_equal(buf_printf(&text, "}}}"), 0);
	r = engine_reply_read(buf_slice(&text), SLICE(ID), &f);
	engine_facts_done(&f);
	buf_release(&text);
	return r;
}

static void there_are_so_many_labels_at_most(void **state)
{
	(void)state;
	assert_int_equal(with_labels(ENGINE_LABELS_MAX), 0);
	assert_int_equal(with_labels(ENGINE_LABELS_MAX + 1), -EPROTO);
}

static void an_answer_has_a_longest_size(void **state)
{
	struct engine_facts f;
	struct buf text;

	(void)state;
	buf_init(&text, 2 * ENGINE_REPLY_MAX);
	assert_int_equal(buf_printf(&text, "%*s" HEAD "\"}}", (int)ENGINE_REPLY_MAX, ""), 0);
	assert_int_equal(engine_reply_read(buf_slice(&text), SLICE(ID), &f), -EPROTO);
	buf_consume(&text, 1000);
	assert_int_equal(engine_reply_read(buf_slice(&text), SLICE(ID), &f), 0);
	engine_facts_done(&f);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_docker_and_podman_say),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(an_image_has_a_longest_name),
		cmocka_unit_test(there_are_so_many_labels_at_most),
		cmocka_unit_test(an_answer_has_a_longest_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
