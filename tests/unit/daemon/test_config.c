/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: every mistake is refused at its place; what is printed is what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config_table.h"
#include "embed_egret.h"

static struct diag last;

/* NULL when it is refused; `last` says why. */
static struct config *parse(const char *text, const char *set)
{
	struct config *c = NULL;

	last = (struct diag){ 0 };
	return config_parse("t.json", slice_str(text), &set, set ? 1 : 0, &last, &c) < 0 ? NULL : c;
}

static void refused_at(const char *text, unsigned line, unsigned col, const char *words)
{
	struct config *c = parse(text, NULL);

	assert_null(c);
	if (!strstr(last.text, words) || last.line != line || last.col != col)
		fail_msg("%s\n  -> %u:%u %s\n  wanted %u:%u %s", text, last.line, last.col,
			 last.text, line, col, words);
	assert_string_equal(last.file, "t.json");
}

static void refused_set(const char *set, const char *words)
{
	assert_null(parse("{}", set));
	if (!strstr(last.text, words))
		fail_msg("--set %s -> %s, wanted %s", set, last.text, words);
}

static void defaults_are_those_of_the_table(void **state)
{
	struct config *c = parse("{}", NULL);

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->run_dir, "/run/egret");
	assert_string_equal(c->cgroup, "");
	assert_int_equal(c->body_bytes, 32 * 1024 * 1024);
	assert_int_equal(c->hello_ms, 10000);
	assert_true(c->system_trust);
	assert_false(c->allow_raw);
	assert_int_equal(c->ports[0], 0);
	assert_int_equal(c->nat64.prefix_len, 0);
	assert_int_equal(json_object_size(c->values), config_n_keys);
	assert_null(config_free(c));
}

static char *printed(int (*print)(FILE *f))
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(print(f), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void the_file_in_the_tree_is_what_is_printed(void **state)
{
	char *text = printed(config_print_defaults);

	(void)state;
	/* Made by: egretd --print config > policy/egret.json */
	assert_string_equal(text, embed_egret);
	free(text);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	(void)fclose(f);
	return text;
}

static void the_schema_in_the_tree_is_what_is_printed(void **state)
{
	char *text = printed(config_print_schema), *kept = read_file("policy/schema/egret.json");
	json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	(void)state;
	/* Made by: egretd --print schema > policy/schema/egret.json */
	assert_string_equal(text, kept);
	assert_true(json_is_object(schema));
	json_decref(schema);
	free(text);
	free(kept);
}

static void the_printed_file_changes_nothing(void **state)
{
	char *text = printed(config_print_defaults);
	struct config *bare = parse("{}", NULL), *full = parse(text, NULL);

	(void)state;
	if (!full)
		fail_msg("%u:%u %s", last.line, last.col, last.text);
	assert_true(json_equal(bare->values, full->values));
	(void)config_free(bare);
	(void)config_free(full);
	free(text);
}

static void every_key_stands_in_the_man_page(void **state)
{
	char *text = printed(config_print_man);

	(void)state;
	for (size_t i = 0; i < config_n_keys; i++)
		assert_non_null(strstr(text, config_keys[i].key));
	free(text);
}

/* A value of a type that no key takes. */
static void no_key_takes_null(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_n_keys; i++) {
		char set[128];

		(void)snprintf(set, sizeof(set), "%s=null", config_keys[i].key);
		refused_set(set, "must be");
	}
}

static void numbers_are_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *k = &config_keys[i];
		char set[128];

		if (k->type != CONFIG_NUMBER)
			continue;
		(void)snprintf(set, sizeof(set), "%s=%llu", k->key, (unsigned long long)k->max + 1);
		refused_set(set, "whole number");
		(void)snprintf(set, sizeof(set), "%s=-1", k->key);
		refused_set(set, "whole number");
		(void)snprintf(set, sizeof(set), "%s=%llu", k->key, (unsigned long long)k->max);
		struct config *c = parse("{}", set);

		assert_non_null(c);
		(void)config_free(c);
	}
	refused_set("workers=1.5", "whole number");
	refused_set("workers=99999999999999999999", "");
}

static void mistakes_are_shown_where_they_are(void **state)
{
	(void)state;
	refused_at("{\n \"worker\": 2 }", 2, 2, "did you mean \"workers\"");
	refused_at("{ \"limits\": {\n  \"idle\": 3 } }", 2, 3, "idle_ms");
	refused_at("{ \"limits\": 7 }", 1, 13, "must be an object");
	refused_at("{ \"workers\": {} }", 1, 14, "whole number");
	refused_at("{ \"workers\": \"2\" }", 1, 14, "whole number");
	refused_at("[]", 1, 1, "must be an object");
	refused_at("{ \"workers\": 1, \"workers\": 2 }", 1, 17, "");
	refused_at("{ \"log\": { \"level\": \"loud\" } }", 1, 21, "error warn info debug");
	refused_at("{ \"log\": { \"level\": \"error warn\" } }", 1, 21, "error warn info debug");
	refused_at("{ \"run_dir\": \"\" }", 1, 14, "must not be empty");
	refused_at("{ \"run_dir\": \"run\" }", 1, 14, "absolute");
	refused_at("{ \"catalogue\": [\"/a\",\n \"b\"] }", 2, 2, "catalogue[1]");
	refused_at("{ \"ports\": [443, 15001] }", 1, 18, "15001");
	refused_at("{ \"ports\": [0] }", 1, 13, "port");
	refused_at("{ \"ports\": [1,2,3,4,5,6,7,8] }", 1, 12, "at most 7");
	refused_at("{ \"nat64\": \"2001:db8::/95\" }", 1, 12, "96 bits");
	refused_at("{ \"nat64\": \"10.0.0.0/8\" }", 1, 12, "IPv6");
	refused_at("{ \"upstream\": { \"allow\": [\"10.0.0.0/33\"] } }", 1, 27, "allow[0]");
	refused_at("{ \"upstream\": { \"allow\": [\"10.0.0/8\"] } }", 1, 27, "allow[0]");
	refused_at("{ \"resolvers\": [\"dns.example\"] }", 1, 17, "resolvers[0]");
	refused_at("{ \"resolvers\": [\"1.1.1.1:0\"] }", 1, 17, "resolvers[0]");
	refused_at("{ \"resolvers\": [\"1.1.1.1:99999\"] }", 1, 17, "resolvers[0]");
	refused_at("{ \"users\": { \"worker\": \"../root\" } }", 1, 24, "name");
}

static void credentials_have_one_source(void **state)
{
	(void)state;
	refused_at("{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\"}]}", 1, 18,
		   "one of file");
	refused_at("{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"file\": \"x\", "
		   "\"systemd\": \"y\"}]}",
		   1, 18, "one of file");
	refused_at("{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"file\": \"../x\"}]}",
		   1, 55, "\"..\"");
	refused_at(
		"{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"systemd\": \"a/b\"}]}",
		1, 58, "plain name");
	refused_at("{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"command\": []}]}", 1,
		   58, "absolute path");
	refused_at(
		"{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"command\": [\"sh\"]}]}",
		1, 58, "absolute path");
	refused_at("{\"credentials\": [{\"id\": \"a b\", \"provider\": \"p\", \"file\": \"x\"}]}",
		   1, 25, "credentials[0].id");
	refused_at("{\"credentials\": [{\"provider\": \"p\", \"file\": \"x\"}]}", 1, 18,
		   "credentials[0].id");
	refused_at("{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"file\": \"x\"},\n"
		   "{\"id\": \"a\", \"provider\": \"q\", \"file\": \"y\"}]}",
		   2, 1, "no other has");
	refused_at("{\"credentials\": [{\"id\": \"a\", \"provider\": \"p\", \"fil\": \"x\"}]}", 1,
		   47, "\"file\"");
	refused_at("{\"credentials\": [7]}", 1, 18, "an object");
}

static void run_names_a_user_or_a_group(void **state)
{
	struct config *c;

	(void)state;
	refused_at("{\"run\": [{\"workloads\": [\"a\"]}]}", 1, 10, "a user or a group");
	refused_at("{\"run\": [{\"user\": \"u\", \"group\": \"g\", \"workloads\": []}]}", 1, 10,
		   "a user or a group");
	refused_at("{\"run\": [{\"user\": \"u\"}]}", 1, 10, "list");
	refused_at("{\"run\": [{\"user\": \"u\", \"workloads\": [\"a/b\"]}]}", 1, 38, "workload");
	c = parse("{\"run\": [{\"group\": \"devs\", \"workloads\": [\"*\", \"x\"]}]}", NULL);
	assert_non_null(c);
	assert_int_equal(c->n_run, 1);
	assert_true(c->run[0].is_group);
	assert_string_equal(c->run[0].name, "devs");
	assert_string_equal(c->run[0].workloads.v[1], "x");
	(void)config_free(c);
}

static void set_wins_over_the_file(void **state)
{
	struct config *c =
		parse("{ \"limits\": { \"idle_ms\": 500 }, \"workers\": 3 }", "limits.idle_ms=700");

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->idle_ms, 700);
	assert_int_equal(c->workers, 3);
	(void)config_free(c);
	refused_set("limits.idle_ms", "KEY=JSON");
	refused_set("=1", "no such key");
	refused_set("limits=1", "no such key");
	refused_set("nope=1", "no such key");
	refused_set("run_dir=/x", "");
	refused_set("workers=1,\"cgroup\":\"/x\"", "");
	assert_int_equal(last.line, 0);
}

struct kept {
	char keys[200];
};

static void on_kept(void *ctx, const char *key)
{
	struct kept *k = ctx;

	size_t n = strlen(k->keys);

	(void)snprintf(k->keys + n, sizeof(k->keys) - n, "%s ", key);
}

static void a_reload_keeps_what_needs_a_restart(void **state)
{
	struct config *old =
		parse("{\"run_dir\": \"/a\", \"workers\": 2, \"policy\": \"/p\"}", NULL);
	struct config *new =
		parse("{\"run_dir\": \"/b\", \"workers\": 2, \"policy\": \"/q\"}", NULL);
	struct kept kept = { "" };

	(void)state;
	assert_int_equal(config_keep(new, old, on_kept, &kept), 0);
	assert_string_equal(kept.keys, "run_dir ");
	assert_string_equal(new->run_dir, "/a");
	assert_string_equal(new->policy, "/q");
	(void)config_free(old);
	(void)config_free(new);
}

static void prefixes_are_read_exactly(void **state)
{
	static const char *const bad[] = { "",	     "/",	   "1.2.3.4/",	 "1.2.3.4/33",
					   "::/129", "1.2.3.4/+8", "1.2.3.4/8 ", "x/8",
					   "::/-1",  "1.2.3.4/08x" };
	struct eg_endpoint_key k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (config_value_prefix(bad[i], &k) == 0)
			fail_msg("\"%s\" was taken for a prefix", bad[i]);
	assert_int_equal(config_value_prefix("1.2.3.4", &k), 0);
	assert_int_equal(k.prefix_len, 128);
	assert_int_equal(config_value_prefix("10.0.0.0/8", &k), 0);
	assert_int_equal(k.prefix_len, 104);
	assert_int_equal(config_value_prefix("2001:db8::/32", &k), 0);
	assert_int_equal(k.prefix_len, 32);
}

static void deep_and_long_input_is_refused(void **state)
{
	size_t n = CONFIG_FILE_MAX + 16;
	char *text = malloc(n);

	(void)state;
	memset(text, '[', n);
	text[n - 1] = '\0';
	assert_null(parse(text, NULL));
	text[20000] = '\0';
	assert_null(parse(text, NULL));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_table),
		cmocka_unit_test(the_file_in_the_tree_is_what_is_printed),
		cmocka_unit_test(the_schema_in_the_tree_is_what_is_printed),
		cmocka_unit_test(the_printed_file_changes_nothing),
		cmocka_unit_test(every_key_stands_in_the_man_page),
		cmocka_unit_test(no_key_takes_null),
		cmocka_unit_test(numbers_are_bounded),
		cmocka_unit_test(mistakes_are_shown_where_they_are),
		cmocka_unit_test(credentials_have_one_source),
		cmocka_unit_test(run_names_a_user_or_a_group),
		cmocka_unit_test(set_wins_over_the_file),
		cmocka_unit_test(a_reload_keeps_what_needs_a_restart),
		cmocka_unit_test(prefixes_are_read_exactly),
		cmocka_unit_test(deep_and_long_input_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
