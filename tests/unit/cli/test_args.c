/* SPDX-License-Identifier: Apache-2.0 */
/* The synopsis as a grammar: what it says is taken, everything else is a usage error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/cli/args.c"
#include "userspace/cli/cli.c"
#include "userspace/cli/text.c"
#include "userspace/cli/when.c"

static struct object object = { .name = "thing" };
const struct object *const cli_objects[] = { &object };
const size_t cli_n_objects = 1;

#define WORDS_MAX 12

struct parsed {
	struct cli cli;
	struct command command;
	struct args args;
	char *argv[WORDS_MAX];
	char text[256];
};

/* Parses words separated by spaces. */
static int parse(struct parsed *p, const char *synopsis, const char *words)
{
	char *at = p->text;
	size_t n = 0;

	*p = (struct parsed){ .command = { "do", synopsis, "", NULL } };
	p->cli.object = &object;
	p->cli.command = &p->command;
	(void)slice_copy(slice_str(words), p->text, sizeof(p->text));
	while (*at) {
		p->argv[n++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
	}
	p->argv[n] = NULL;
	return args_parse(&p->cli, synopsis, p->argv, &p->args);
}

static void done(struct parsed *p)
{
	json_decref(p->cli.error);
}

static void assert_bad(const char *synopsis, const char *words, const char *want)
{
	struct parsed p;
	const char *message;

	if (parse(&p, synopsis, words) == 0)
		fail_msg("\"%s\" was taken for \"%s\"", words, synopsis);
	assert_int_equal(p.cli.status, CLI_USAGE);
	message = json_string_value(json_object_get(p.cli.error, "message"));
	if (!message || !strstr(message, want))
		fail_msg("\"%s\": %s", words, message);
	done(&p);
}

static void words_are_taken_by_name(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(parse(&p, "[--since TIME] [--flag] NAME [MORE]", "a --since 1h b"), 0);
	assert_string_equal(args_get(&p.args, "NAME"), "a");
	assert_string_equal(args_get(&p.args, "MORE"), "b");
	assert_string_equal(args_get(&p.args, "--since"), "1h");
	assert_false(args_has(&p.args, "--flag"));
	assert_int_equal(parse(&p, "[--since TIME] [--flag] NAME [MORE]", "--flag a"), 0);
	assert_true(args_has(&p.args, "--flag"));
	assert_null(args_get(&p.args, "MORE"));
	assert_int_equal(parse(&p, "", ""), 0);
}

static void a_value_may_stand_after_equals(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(parse(&p, "[--since TIME] [--model M] NAME", "--since=1h a --model=--b=c"),
			 0);
	assert_string_equal(args_get(&p.args, "--since"), "1h");
	assert_string_equal(args_get(&p.args, "--model"), "--b=c");
	assert_string_equal(args_get(&p.args, "NAME"), "a");
	assert_int_equal(parse(&p, "[--model M]", "--model="), 0);
	assert_string_equal(args_get(&p.args, "--model"), "");
}

static void wrong_words_are_named(void **state)
{
	(void)state;
	assert_bad("NAME", "", "NAME is missing");
	assert_bad("NAME", "a b", "b is one argument too many");
	assert_bad("", "a", "a is one argument too many");
	assert_bad("[--since TIME]", "--sinc 1h", "--sinc is no option here");
	assert_bad("[--since TIME]", "--sinc=1h", "--sinc=1h is no option here");
	assert_bad("[--since TIME]", "--since=1h --since 2h", "--since is given twice");
	assert_bad("[--flag]", "--flag=yes", "--flag takes no value");
	assert_bad("[--workload NAME] -- COMMAND...", "--workload -- ls",
		   "--workload needs a value");
	assert_bad("[--workload NAME] [--limit N]", "--workload --limit 3",
		   "--workload needs a value");
	assert_bad("[--since TIME]", "-s", "-s is no option here");
	assert_bad("[--since TIME]", "--since", "--since needs a value");
	assert_bad("[--since TIME]", "--since 1h --since 2h", "--since is given twice");
	assert_bad("--workload NAME [--model NAME]", "--model x", "--workload is missing");
	assert_bad("NAME", "-- a", "-- is no option here");
}

static void rest_is_left_alone(void **state)
{
	struct parsed p;
	char **rest;

	(void)state;
	assert_int_equal(parse(&p, "[--workload NAME] -- COMMAND...", "-- ls --workload -- x"), 0);
	rest = args_rest(&p.args, "--");
	assert_string_equal(rest[0], "ls");
	assert_string_equal(rest[2], "--");
	assert_string_equal(rest[3], "x");
	assert_null(rest[4]);
	assert_false(args_has(&p.args, "--workload"));
	assert_bad("-- COMMAND...", "--", "COMMAND is missing");
	assert_bad("-- COMMAND...", "ls", "ls is one argument too many");
	assert_bad("-- COMMAND...", "", "COMMAND is missing");
}

static void many_files_stand_together(void **state)
{
	struct parsed p;
	char **files;

	(void)state;
	assert_int_equal(parse(&p, "[--flag] FILE...", "--flag a b c"), 0);
	files = args_rest(&p.args, "FILE");
	assert_string_equal(files[0], "a");
	assert_string_equal(files[2], "c");
	assert_null(files[3]);
	assert_bad("[--flag] FILE...", "a --flag b", "must stand beside the others");
	assert_bad("FILE...", "", "FILE is missing");
}

static void numbers_are_whole(void **state)
{
	static const char *const bad[] = {
		"x", "1x", "-1", "+1", "1.5", "0x10", "9223372036854775808", "99999999999999999999"
	};
	struct parsed p;
	uint64_t n = 7;

	(void)state;
	assert_int_equal(parse(&p, "[--limit N]", ""), 0);
	assert_int_equal(args_number(&p.cli, &p.args, "--limit", &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(parse(&p, "[--limit N]", "--limit 9223372036854775807"), 0);
	assert_int_equal(args_number(&p.cli, &p.args, "--limit", &n), 0);
	assert_true(n == INT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char words[64];

		(void)snprintf(words, sizeof(words), "--limit %s", bad[i]);
		if (parse(&p, "[--limit N]", words) == 0 &&
		    args_number(&p.cli, &p.args, "--limit", &n) == 0)
			fail_msg("%s was taken for a number", bad[i]);
		done(&p);
	}
}

static void members_hold_what_was_given(void **state)
{
	static const struct args_member members[] = {
		{ "--workload", "workload", ARGS_TEXT },
		{ "--limit", "limit", ARGS_NUMBER },
		{ "--since", "since_us", ARGS_TIME },
		{ "--all", "all", ARGS_FLAG },
	};
	static const char synopsis[] = "[--workload NAME] [--limit N] [--since TIME] [--all]";
	struct parsed p;
	json_t *o;

	(void)state;
	assert_int_equal(
		parse(&p, synopsis, "--all --limit 3 --since 1970-01-02 --workload \xc3\xa4"), 0);
	assert_int_equal(args_object(&p.cli, &p.args, members, ARRAY_SIZE(members), &o), 0);
	assert_int_equal(json_object_size(o), 4);
	assert_int_equal(json_integer_value(json_object_get(o, "limit")), 3);
	assert_int_equal(json_integer_value(json_object_get(o, "since_us")), 86400000000);
	assert_true(json_is_true(json_object_get(o, "all")));
	json_decref(o);
	assert_int_equal(parse(&p, synopsis, ""), 0);
	assert_int_equal(args_object(&p.cli, &p.args, members, ARRAY_SIZE(members), &o), 0);
	assert_int_equal(json_object_size(o), 0);
	json_decref(o);
	assert_int_equal(parse(&p, synopsis, "--workload \xff"), 0);
	assert_int_equal(args_object(&p.cli, &p.args, members, ARRAY_SIZE(members), &o), -EIO);
	done(&p);
}

static void first_failure_stays(void **state)
{
	struct cli cli = { 0 };

	(void)state;
	assert_int_equal(cli_usage(&cli, "first"), -EIO);
	assert_int_equal(cli_fail(&cli, "failed", "second"), -EIO);
	assert_int_equal(cli.status, CLI_USAGE);
	assert_string_equal(json_string_value(json_object_get(cli.error, "message")), "first");
	json_decref(cli.error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_taken_by_name),
		cmocka_unit_test(a_value_may_stand_after_equals),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(rest_is_left_alone),
		cmocka_unit_test(many_files_stand_together),
		cmocka_unit_test(numbers_are_whole),
		cmocka_unit_test(members_hold_what_was_given),
		cmocka_unit_test(first_failure_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
