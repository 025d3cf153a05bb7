/* SPDX-License-Identifier: Apache-2.0 */
/* What a catalogue must not say, and where the error points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/provider/compiled.h"

/* A provider around the members under test; they begin in line 2. */
#define PROVIDER(members)                                                                          \
	"{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"generic\", "            \
	"\"credential\": { \"field\": \"authorization\" },\n" members " } } }"
#define OPERATION(members) PROVIDER("\"operations\": [ {\n" members " } ]")

static void refused(const char *text, unsigned line, unsigned col, const char *says)
{
	struct compiled t;
	struct diag d = { 0 };

	assert_int_equal(compiled_try(&t, &text, 1, &d), -EINVAL);
	if (d.line != line || d.col != col || !strstr(d.text, says))
		fail_msg("%s\n is %u:%u: %s\n not %u:%u: %s", text, d.line, d.col, d.text, line,
			 col, says);
	compiled_done(&t);
}

static void refuses_what_is_no_catalogue(void **state)
{
	(void)state;
	refused("[]", 1, 1, "must be an object");
	refused("{}", 1, 1, "\"providers\" must be");
	refused("{ \"providers\": [] }", 1, 16, "\"providers\" must be");
	refused("{ \"provider\": {}, \"providers\": {} }", 1, 3, "did you mean \"providers\"");
	refused("{ \"providers\": { \"a\": 1 } }", 1, 23, "must be an object");
	refused("{ \"providers\": { \"A\": {} } }", 1, 18, "lower-case");
	refused("{ \"providers\": { \"\": {} } }", 1, 18, "lower-case");
	refused("{ \"providers\": { \"a\": { \"dialect\": \"openai\" } } }", 1, 23,
		"\"trust\" is missing");
	refused("{ \"providers\": { \"a\": { \"trust\": \"open\" } } }", 1, 34, "\"private\"");
	refused("{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"x\" } } }", 1,
		55, "\"anthropic\"");
}

static void refuses_bad_members_of_a_provider(void **state)
{
	(void)state;
	refused(PROVIDER("\"hots\": []"), 2, 1, "did you mean \"hosts\"");
	refused(PROVIDER("\"hosts\": \"x\""), 2, 10, "must be a list");
	refused(PROVIDER("\"env\": [\"A\", \"b\"]"), 2, 14, "upper case");
	refused(PROVIDER("\"env\": [\"1A\"]"), 2, 9, "upper case");
	refused(PROVIDER("\"placeholder\": \"sk-mine\""), 2, 16, "egret-placeholder");
	refused(PROVIDER("\"placeholder\": \"a egret-placeholder\""), 2, 16, "egret-placeholder");
	refused(PROVIDER("\"key_prefixes\": [\"sk\"]"), 2, 18, "3 to 63");
	refused(PROVIDER("\"key_prefixes\": [\"sk -\"]"), 2, 18, "3 to 63");
	refused("{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"openai\",\n"
		"\"credential\": { \"field\": \"X-Api-Key\" } } } }",
		2, 26, "lower case");
	refused("{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"openai\",\n"
		"\"credential\": { \"prefix\": \"B \" } } } }",
		2, 15, "\"field\" is missing");
	refused("{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"openai\",\n"
		"\"credential\": { \"field\": \"a\", \"prefix\": \"B\\r\\n\" } } } }",
		2, 41, "printable");
	refused("{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"openai\",\n"
		"\"operations\": [ {} ] } } }",
		1, 23, "needs \"credential\"");
}

static void refuses_hosts_that_are_none(void **state)
{
	static const char *const hosts[] = {
		"",
		"com",
		"*",
		"*.com",
		"*.*.com",
		"a.*",
		"a.*.com.*",
		".a.com",
		"a.com.",
		"a..com",
		"A.com",
		"a b.com",
		"a.com/",
		"a.com:443",
		"x*.a.com",
		"*x.a.com",
		"*-.a.com",
		"a.*x.b.com",
		"**.a.com",
		"a/b.com",
		"\xc3\xa4.com",
		"a.b.c.d.e.f.g.h.i.j.k.l.m",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		(void)snprintf(text, sizeof(text), PROVIDER("\"hosts\": [\"%s\"]"), hosts[i]);
		refused(text, 2, 11, "a host name in lower case");
	}
}

static void refuses_networks_that_are_none(void **state)
{
	static const char *const networks[] = {
		"10.0.0.0",	  "10.0.0.0/",	 "10.0.0.0/33", "10.0.0.1/24", "0.0.0.0/0",
		"10.0.0.0/7",	  "10.0.0.0/08", "10.0.0.0/+8", "::/0",	       "2001:db8::1/64",
		"2001:db8::/129", "2001::/15",	 "10.0.0.0/8x", "10.0/8",      "x/8",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		(void)snprintf(text, sizeof(text), PROVIDER("\"cidrs\": [\"%s\"]"), networks[i]);
		refused(text, 2, 11, "a network such as");
	}
}

static void refuses_a_host_twice(void **state)
{
	(void)state;
	refused(PROVIDER("\"hosts\": [\"a.b.com\", \"a.b.com\"]"), 2, 22, "twice");
	refused(PROVIDER("\"hosts\": [\"*.b.com\", \"*.b.com\"]"), 2, 22, "twice");
	refused("{ \"providers\": {\n"
		"\"a\": { \"trust\": \"public\", \"dialect\": \"openai\", \"hosts\": [\"x.com\"] "
		"},\n"
		"\"b\": { \"trust\": \"public\", \"dialect\": \"openai\", \"hosts\": [\"x.com\"] } "
		"} }",
		3, 58, "twice");
}

static void refuses_bad_operations(void **state)
{
	(void)state;
	refused(PROVIDER("\"operations\": [ 1 ]"), 2, 17, "must be an object");
	refused(OPERATION("\"body\": \"none\", \"requests\": [\"GET /\"]"), 2, 17,
		"\"name\" is missing");
	refused(OPERATION("\"name\": \"Chat\", \"body\": \"none\""), 3, 9, "lower-case");
	refused(OPERATION("\"name\": \"c\", \"requests\": [\"GET /\"]"), 2, 17,
		"\"body\" is missing");
	refused(OPERATION("\"name\": \"c\", \"body\": \"xml\""), 3, 22, "\"multipart\"");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\""), 2, 17, "at least one");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", \"requests\": []"), 3, 42,
		"at least one");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", \"method\": \"GET\""), 3, 30,
		"known here");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"model\": \"a..b\""),
		3, 62, "a path of member names");
	/* Eight steps are read, nine are not. */
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"model\": \"a[].b[].c[].d.e\", \"stream\": 1"),
		3, 91, "a path of member names");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"model\": \"a[].b[].c[].d[].e\""),
		3, 62, "of 8 steps");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", \"requests\": [\"GET /\"], "
			  "\"model\": \"m\""),
		3, 53, "needs \"body\"");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", \"requests\": [\"GET /\"], "
			  "\"stream\": \"s\""),
		3, 22, "need \"body\": \"json\"");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"output\": true"),
		3, 53, "nothing could cap it");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"output\": 1"),
		3, 63, "true or false");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /{model}\"], "
			  "\"model\": \"m\""),
		3, 60, "either in the path or in the body");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", "
			  "\"requests\": [\"GET /\", \"GET /{model}\"]"),
		3, 52, "make two operations");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"max_tokens\": [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]"),
		3, 67, "more than 6");
	refused(OPERATION("\"name\": \"c\", \"body\": \"json\", \"requests\": [\"GET /\"], "
			  "\"max_tokens\": [\"a\"], \"refuse\": "
			  "[\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]"),
		3, 84, "more than 6");
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", \"requests\": [\"GET /\"], "
			  "\"refuse\": [\"models\"]"),
		3, 22, "need \"body\": \"json\"");
}

static void refuses_requests_that_could_match_nothing(void **state)
{
	static const char *const requests[] = {
		"GET /a/",
		"GET //a",
		"GET /a//b",
		"GET /a/./b",
		"GET /../a",
		"GET /a?b",
		"GET /a#b",
		"GET /a%2fb",
		"GET /%61",
		"GET /{",
		"GET /{}",
		"GET /{A}",
		"GET /{a}b",
		"GET /{a}:",
		"GET /{a}:v1",
		"GET /a{b}",
		"GET /{model}/{model}",
		"GET /{a}:x:y",
		"GET /a b",
		"GET /a;b",
		"GET /a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
	};
	static const char *const malformed[] = { "/a", "GET", "get /a", "GET  /a", "GET a", "" };
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		(void)snprintf(text, sizeof(text),
			       OPERATION("\"name\": \"c\", \"body\": \"none\", "
					 "\"requests\": [\"%s\"]"),
			       requests[i]);
		refused(text, 3, 43, "could match nothing");
	}
	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		(void)snprintf(text, sizeof(text),
			       OPERATION("\"name\": \"c\", \"body\": \"none\", "
					 "\"requests\": [\"%s\"]"),
			       malformed[i]);
		refused(text, 3, 43, "METHOD /path");
	}
	refused(OPERATION("\"name\": \"c\", \"body\": \"none\", "
			  "\"requests\": [\"GET /{a}/x\", \"GET /{b}/x\"]"),
		3, 57, "the same request");
}

static void later_documents_add_and_replace_by_name(void **state)
{
	static const char *const texts[] = {
		"{ \"providers\": {"
		" \"a\": { \"trust\": \"public\", \"dialect\": \"openai\", \"hosts\": [\"a.com\"],"
		"   \"key_prefixes\": [\"old-\"] },"
		" \"b\": { \"trust\": \"public\", \"dialect\": \"openai\", \"hosts\": [\"b.com\"] "
		"} } }",
		"{ \"providers\": {"
		" \"c\": { \"trust\": \"private\", \"dialect\": \"openai\", \"hosts\": [\"a.com\"] "
		"},"
		" \"a\": { \"trust\": \"private\", \"dialect\": \"generic\", \"hosts\": "
		"[\"x.com\"] } } }",
		"{ \"providers\": { \"b\": { \"trust\": \"public\", \"dialect\": \"openai\" } } }",
	};
	struct compiled t;
	struct diag d = { 0 };
	size_t length;

	(void)state;
	assert_int_equal(compiled_try(&t, texts, 3, &d), 0);
	assert_int_equal(catalogue_providers(t.c), 3);
	/* A replaced provider keeps its place and nothing else. */
	assert_int_equal(catalogue_find_provider(t.c, SLICE("a")), 0);
	assert_true(slice_eq(catalogue_provider(t.c, 0)->trust, SLICE("private")));
	assert_int_equal(catalogue_find_host(t.c, SLICE("x.com")), 0);
	assert_int_equal(catalogue_find_host(t.c, SLICE("a.com")), 2);
	assert_int_equal(catalogue_find_key_prefix(t.c, SLICE("old-key"), &length), -1);
	/* Replaced by one without hosts: no longer governed. */
	assert_int_equal(catalogue_find_host(t.c, SLICE("b.com")), -1);
	compiled_done(&t);
}

/* policy/examples/providers-private.json over what is built in, as a host would load both. */
static void the_example_fits_over_what_ships(void **state)
{
	_cleanup_close_ int fd =
		open("policy/examples/providers-private.json", O_RDONLY | O_CLOEXEC);
	char example[16384];
	const char *const texts[] = { embed_providers, example };
	struct compiled t;
	struct diag d = { 0 };
	ssize_t n;
	int house;

	(void)state;
	n = read(fd, example, sizeof(example) - 1);
	assert_in_range(n, 1, sizeof(example) - 2);
	example[n] = '\0';
	assert_int_equal(compiled_try(&t, texts, 2, &d), 0);
	house = catalogue_find_host(t.c, SLICE("eu.llm.corp.example"));
	assert_true(house > 0);
	assert_true(slice_eq(catalogue_provider(t.c, (unsigned)house)->trust, SLICE("private")));
	assert_true(catalogue_is_placeholder(t.c, SLICE("house-egret-placeholder")));
	assert_int_equal(catalogue_find_host(t.c, SLICE("chatgpt.com")), -1);
	assert_true(catalogue_find_host(t.c, SLICE("api.openai.com")) >= 0);
	compiled_done(&t);
}

static void errors_of_later_documents_point_into_them(void **state)
{
	static const char *const texts[] = {
		"{ \"providers\": { \"a\": { \"trust\": \"public\", \"dialect\": \"openai\" } } }",
		"{ \"providers\": {\n\n\"a\": { \"trust\": \"public\", \"dialect\": 1 } } }",
	};
	struct compiled t;
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(compiled_try(&t, texts, 2, &d), -EINVAL);
	assert_int_equal(d.line, 3);
	assert_int_equal(d.col, 38);
	compiled_done(&t);
}

static void an_empty_catalogue_governs_nothing(void **state)
{
	struct compiled t;

	(void)state;
	compiled_init(&t, "{ \"providers\": {} }");
	assert_int_equal(catalogue_providers(t.c), 0);
	assert_int_equal(catalogue_find_host(t.c, SLICE("api.openai.com")), -1);
	assert_int_equal(catalogue_kinds(t.c), 0);
	compiled_done(&t);
}

static void refuses_too_many_providers(void **state)
{
	_cleanup_free_ char *text = malloc(65536);
	struct compiled t;
	struct diag d = { 0 };
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, 65536, "{ \"providers\": {");
	for (int i = 0; i < 257; i++)
		n += (size_t)snprintf(
			text + n, 65536 - n,
			"%s\"p%d\": { \"trust\": \"public\", \"dialect\": \"openai\" }",
			i ? "," : "", i);
	(void)snprintf(text + n, 65536 - n, "} }");
	assert_int_equal(compiled_try(&t, (const char *const[]){ text }, 1, &d), -EINVAL);
	assert_non_null(strstr(d.text, "more than 256"));
	compiled_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_catalogue),
		cmocka_unit_test(refuses_bad_members_of_a_provider),
		cmocka_unit_test(refuses_hosts_that_are_none),
		cmocka_unit_test(refuses_networks_that_are_none),
		cmocka_unit_test(refuses_a_host_twice),
		cmocka_unit_test(refuses_bad_operations),
		cmocka_unit_test(refuses_requests_that_could_match_nothing),
		cmocka_unit_test(later_documents_add_and_replace_by_name),
		cmocka_unit_test(the_example_fits_over_what_ships),
		cmocka_unit_test(errors_of_later_documents_point_into_them),
		cmocka_unit_test(an_empty_catalogue_governs_nothing),
		cmocka_unit_test(refuses_too_many_providers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
