/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler refuses, where it says the mistake is, and how large what it makes can get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiled.h"

struct mistake {
	const char *text; /* of one rule, or with `whole` of the document */
	unsigned line, col;
	const char *says;
	bool whole;
};

#define WORKLOADS                                                                                  \
	"{\"workloads\": {\"web\": {\"labels\": {\"team\": \"red\"}}, \"batch\": {}},\n"           \
	"\"rules\": [\n"

static void refuse(const struct mistake *m)
{
	struct compiled c;
	struct buf text;

	buf_init(&text, 1u << 20);
	if (m->whole)
		assert_int_equal(buf_append(&text, m->text, strlen(m->text) + 1), 0);
	else
		assert_int_equal(buf_printf(&text, "%s%s]}", WORKLOADS, m->text), 0);
	if (!m->whole)
		assert_int_equal(buf_append(&text, "", 1), 0);
	if (compile_text(buf_slice(&text).p, &c) != -EINVAL)
		fail_msg("accepted: %s", m->text);
	if (!strstr(c.d.text, m->says))
		fail_msg("%s\nsaid: %s\nnot: %s", m->text, c.d.text, m->says);
	if (c.d.line != m->line || c.d.col != m->col)
		fail_msg("%s\nsaid %u:%u, not %u:%u", m->text, c.d.line, c.d.col, m->line, m->col);
	assert_string_equal(c.d.file, "p.json");
	compiled_done(&c);
	buf_release(&text);
}

#define REFUSE(list)                                                                               \
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)                                              \
	refuse(&(list)[i])

static void documents(void **state)
{
	static const struct mistake list[] = {
		{ "[]", 1, 1, "a policy is an object", true },
		{ "{}", 1, 1, "needs \"workloads\"", true },
		{ "{\"workloads\":{}}", 1, 1, "needs \"rules\"", true },
		{ "{\"workloads\":[],\"rules\":[]}", 1, 14, "needs \"workloads\"", true },
		{ "{\"workloads\":{},\"rules\":{}}", 1, 25, "needs \"rules\"", true },
		{ "{\"version\":2,\"workloads\":{},\"rules\":[]}", 1, 12, "must be 1", true },
		{ "{\"workloads\":{},\"rules\":[],\n \"budgets\":[]}", 2, 2,
		  "unknown member \"budgets\"", true },
		{ "{\"workloads\":{},\"rule\":[]}", 1, 17, "did you mean \"rules\"", true },
		{ "{\"direct_keys\":\"alow\",\"workloads\":{},\"rules\":[]}", 1, 16,
		  "\"deny\", \"replace\" or \"audit\"", true },
		{ "{\"workloads\":{},\"workloads\":{},\"rules\":[]}", 1, 17, "uplicate", true },
	};

	(void)state;
	REFUSE(list);
}

static void workloads(void **state)
{
	static const struct mistake list[] = {
		{ "{\"workloads\":{\"unknown\":{}},\"rules\":[]}", 1, 15, "cannot be defined",
		  true },
		{ "{\"workloads\":{\"../x\":{}},\"rules\":[]}", 1, 15, "name is 1 to 63", true },
		{ "{\"workloads\":{\"\":{}},\"rules\":[]}", 1, 15, "name is 1 to 63", true },
		{ "{\"workloads\":{\"a b\":{}},\"rules\":[]}", 1, 15, "name is 1 to 63", true },
		{ "{\"workloads\":{\"a\":3},\"rules\":[]}", 1, 19, "must be an object", true },
		{ "{\"workloads\":{\"a\":{\"label\":{}}},\"rules\":[]}", 1, 20,
		  "did you mean \"labels\"", true },
		{ "{\"workloads\":{\"a\":{\"labels\":[]}},\"rules\":[]}", 1, 29,
		  "must be an object", true },
		{ "{\"workloads\":{\"a\":{\"labels\":{\"x\":1}}},\"rules\":[]}", 1, 34,
		  "value is a string", true },
		{ "{\"workloads\":{\"a\":{\"labels\":{\"x=y\":\"1\"}}},\"rules\":[]}", 1, 30,
		  "label's name", true },
		{ "{\"workloads\":{\"a\":{\"labels\":{\"x\":\"\\n\"}}},\"rules\":[]}", 1, 34,
		  "control characters", true },
		{ "{\"workloads\":{\"a\":{\"direct_keys\":null}},\"rules\":[]}", 1, 34,
		  "must be \"deny\"", true },
	};

	(void)state;
	REFUSE(list);
}

static void rules(void **state)
{
	static const struct mistake list[] = {
		{ "3", 3, 1, "must be an object", false },
		{ "{\"allow\":{}}", 3, 1, "needs an \"id\"", false },
		{ "{\"id\":\"a b\",\"allow\":{}}", 3, 7, "id is 1 to 63", false },
		{ "{\"id\":\"a\",\"allow\":{}},\n{\"id\":\"a\",\"allow\":{}}", 4, 7, "unique",
		  false },
		{ "{\"id\":\"a\"}", 3, 1, "exactly one of", false },
		{ "{\"id\":\"a\",\"allow\":{},\"deny\":\"x\"}", 3, 1, "exactly one of", false },
		{ "{\"id\":\"a\",\"deny\":\"\"}", 3, 18, "text of 1 to 400", false },
		{ "{\"id\":\"a\",\"deny\":true}", 3, 18, "text of 1 to 400", false },
		{ "{\"id\":\"a\",\"deny\":\"x\\u0007\"}", 3, 18, "control characters", false },
		{ "{\"id\":\"a\",\"allow\":true}", 3, 19, "must be an object", false },
		{ "{\"id\":\"a\",\"allow\":{},\"shadow\":1}", 3, 31, "true or false", false },
		{ "{\"id\":\"a\",\"alow\":{}}", 3, 11, "did you mean \"allow\"", false },
		{ "{\"id\":\"a\",\"allow\":{\"max_token\":1}}", 3, 20,
		  "did you mean \"max_tokens\"", false },
		{ "{\"id\":\"a\",\"allow\":{\"max_tokens\":0}}", 3, 33, "whole number", false },
		{ "{\"id\":\"a\",\"allow\":{\"max_tokens\":1.5}}", 3, 33, "whole number", false },
		{ "{\"id\":\"a\",\"allow\":{\"credential\":\"\"}}", 3, 33, "id of a credential",
		  false },
	};

	(void)state;
	REFUSE(list);
}

static void conditions(void **state)
{
	static const struct mistake list[] = {
		{ "{\"id\":\"a\",\"allow\":{},\"when\":[]}", 3, 29, "object of at most", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"models\":\"x\"}}", 3, 30,
		  "did you mean \"model\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"weather\":\"x\"}}", 3, 30,
		  "known: workload", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"workload\":\"webb\"}}", 3, 41,
		  "did you mean \"web\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"workload\":[\"web\",\"Batch\"]}}", 3, 48,
		  "did you mean \"batch\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"workload\":[]}}", 3, 41,
		  "string or a list", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"workload\":[7]}}", 3, 42,
		  "must be a string", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"workload\":null}}", 3, 41,
		  "string or a list", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"label.taem\":\"red\"}}", 3, 30,
		  "did you mean \"team\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"label.team\":\"rad\"}}", 3, 43,
		  "did you mean \"red\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"label.\":\"red\"}}", 3, 30,
		  "no workload has", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"provider\":\"opeani\"}}", 3, 41,
		  "did you mean \"openai\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"provider.trust\":\"publik\"}}", 3, 47,
		  "did you mean \"public\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"operation\":\"chats\"}}", 3, 42,
		  "did you mean \"chat\"", false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"model\":\"\"}}", 3, 38, "1 to 127",
		  false },
		{ "{\"id\":\"a\",\"allow\":{},\"when\":{\"model\":\"gpt 4\"}}", 3, 38,
		  "without spaces", false },
	};

	(void)state;
	REFUSE(list);
}

static void headers(void **state)
{
	static const struct mistake list[] = {
		{ "{\"id\":\"a\",\"allow\":{\"headers\":[]}}", 3, 30, "must be an object", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"Authorization\":\"x\"}}}", 3, 31,
		  "set by egret", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"x-home-key\":\"x\"}}}", 3, 31,
		  "set by egret", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"Transfer-Encoding\":\"chunked\"}}}", 3,
		  31, "set by egret", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"proxy-authorization\":\"x\"}}}", 3, 31,
		  "set by egret", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"cookie\":\"x\"}}}", 3, 31,
		  "set by egret", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"a b\":\"x\"}}}", 3, 31, "no header name",
		  false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"a:\":\"x\"}}}", 3, 31, "no header name",
		  false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"\":\"x\"}}}", 3, 31, "no header name",
		  false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"x-a\":\"b\",\"X-A\":\"c\"}}}", 3, 41,
		  "twice", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"x-a\":\"b\\r\\nx-b: c\"}}}", 3, 37,
		  "printable ASCII", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"x-a\":\" b\"}}}", 3, 37,
		  "printable ASCII", false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"x-a\":\"\"}}}", 3, 37, "printable ASCII",
		  false },
		{ "{\"id\":\"a\",\"allow\":{\"headers\":{\"x-a\":5}}}", 3, 37, "printable ASCII",
		  false },
	};

	(void)state;
	REFUSE(list);
}

static void obligations_arrive_whole(void **state)
{
	struct policy_facts f = { .workload = 1, .kind = CHAT, .model = SLICE("m") };
	struct policy_decision d;
	struct compiled c;

	(void)state;
	assert_int_equal(
		compile_text(
			WORKLOADS
			"// first\n{\"id\":\"a\",\"when\":{},\"allow\":{\"credential\":\"k-1\","
			"\"max_tokens\":77,\"headers\":{\"x-b\":\"2\",\"X-A\":\"1 2\"}}}]}",
			&c),
		0);
	policy_decide(c.policy, &f, &d);
	assert_int_equal(d.reason, EG_REASON_allowed);
	assert_true(slice_eq(d.credential, SLICE("k-1")));
	assert_int_equal(d.max_tokens, 77);
	assert_int_equal(d.n_headers, 2);
	assert_true(slice_eq(d.headers[0].name, SLICE("x-b")));
	assert_true(slice_eq(d.headers[1].value, SLICE("1 2")));
	assert_int_equal(d.text.n, 0);
	compiled_done(&c);
}

/* Every rule speaks of every workload, provider and operation, in lists of its own. */
static void write_wide(struct buf *text, unsigned n_workloads, unsigned n_rules)
{
	assert_int_equal(buf_printf(text, "{\"workloads\":{"), 0);
	for (unsigned i = 0; i < n_workloads; i++)
		assert_int_equal(buf_printf(text,
					    "%s\"w%u\":{\"labels\":{\"all\":\"x\",\"own\":\"%u\"}}",
					    i ? "," : "", i, i % 97),
				 0);
	assert_int_equal(buf_printf(text, "},\"rules\":["), 0);
	for (unsigned i = 0; i < n_rules; i++)
		assert_int_equal(
			buf_printf(
				text,
				"%s{\"id\":\"r%u\",\"when\":{\"label.all\":\"x\",\"label.own\":[\"%"
				"u\","
				"\"%u\",\"%u\"],\"provider\":[\"openai\",\"anthropic\",\"home\"],"
				"\"operation\":[\"chat\",\"messages\",\"embeddings\",\"models\"],"
				"\"model\":[\"*\",\"m%u-*\"]},\"allow\":{}}",
				i ? "," : "", i, i % 97, (i + 1) % 97, i * 7 % 97, i),
			0);
	assert_int_equal(buf_append(text, "]}", 3), 0);
}

static void wide_rules_do_not_explode(void **state)
{
	struct compiled c;
	struct buf text;

	(void)state;
	buf_init(&text, 64u << 20);
	write_wide(&text, 5000, 5000);
	assert_int_equal(compile_text(buf_slice(&text).p, &c), 0);
	print_message(
		"5,000 rules that all name 150 of 5,000 workloads: %zu KiB of text, %zu KiB of "
		"image\n",
		buf_len(&text) >> 10, buf_len(&c.image) >> 10);
	/* A list for each workload, provider and operation would be 5,000 x 12 x 155 entries. */
	assert_true(buf_len(&c.image) < 4 * buf_len(&text));
	compiled_done(&c);
	buf_release(&text);
}

static void limits_are_said(void **state)
{
	struct compiled c;
	struct buf text;

	(void)state;
	buf_init(&text, 64u << 20);
	assert_int_equal(buf_printf(&text, WORKLOADS), 0);
	for (unsigned i = 0; i <= 16384; i++)
		assert_int_equal(
			buf_printf(&text, "%s{\"id\":\"r%u\",\"allow\":{}}", i ? "," : "", i), 0);
	assert_int_equal(buf_append(&text, "]}", 3), 0);
	assert_int_equal(compile_text(buf_slice(&text).p, &c), -EINVAL);
	assert_non_null(strstr(c.d.text, "more than 16384 rules"));
	compiled_done(&c);

	/* Patterns that no look-up can tell apart would have to be tried one by one. */
	buf_clear(&text);
	assert_int_equal(
		buf_printf(&text, WORKLOADS "{\"id\":\"r\",\"allow\":{},\"when\":{\"model\":["), 0);
	for (unsigned i = 0; i < 70; i++)
		assert_int_equal(buf_printf(&text, "%s\"gpt-*%u*-x\"", i ? "," : "", i), 0);
	assert_int_equal(buf_append(&text, "]}}]}", 6), 0);
	assert_int_equal(compile_text(buf_slice(&text).p, &c), -EINVAL);
	assert_non_null(strstr(c.d.text, "more than 64 model patterns begin and end as \"gpt-"));
	compiled_done(&c);
	buf_release(&text);
}

static void a_full_buffer_is_no_crash(void **state)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };
	struct buf image;

	(void)state;
	assert_int_equal(
		json_doc_parse("p.json", SLICE("{\"workloads\":{},\"rules\":[]}"), 1000, &d, &doc),
		0);
	buf_init(&image, 100);
	assert_int_equal(policy_compile(doc, &fake_catalogue, &d, &image), -EMSGSIZE);
	buf_release(&image);
	(void)json_doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(workloads),
		cmocka_unit_test(rules),
		cmocka_unit_test(conditions),
		cmocka_unit_test(headers),
		cmocka_unit_test(obligations_arrive_whole),
		cmocka_unit_test(wide_rules_do_not_explode),
		cmocka_unit_test(limits_are_said),
		cmocka_unit_test(a_full_buffer_is_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
