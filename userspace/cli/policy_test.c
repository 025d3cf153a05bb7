/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/out.h"
#include "cli/trial.h"

#define TESTS_MAX (16u << 20)

static const struct column columns[] = {
	{ "STATE", "state", FORM_TEXT },   { "FILE", "file", FORM_TEXT },
	{ "TEST", "name", FORM_TEXT },	   { "DIFFERS", "differs", FORM_TEXT },
	{ "WANTED", "wanted", FORM_TEXT }, { "GOT", "got", FORM_TEXT },
};

struct run {
	struct cli *cli;
	struct trial trial;
	struct out_list list;
	const struct json_doc *doc;
	unsigned failed;
};

static void doc_freep(struct json_doc **doc)
{
	*doc = json_doc_free(*doc);
}

static void run_done(struct run *t)
{
	trial_done(&t->trial);
	out_list_done(&t->list);
}

static int bad(struct run *t, const json_t *parent, const char *key, const char *text)
{
	struct diag d = { 0 };

	(void)json_doc_error(t->doc, &d, parent, key, false, "%s", text);
	return cli_fail_diag(t->cli, "bad_policy", &d);
}

static int only(struct run *t, const json_t *object, const char *const *members)
{
	struct diag d = { 0 };

	return json_doc_only(t->doc, &d, object, members) < 0
		       ? cli_fail_diag(t->cli, "bad_policy", &d)
		       : 0;
}

/* A path stands beside the file that names it. */
static int load_policy(struct run *t, const json_t *root)
{
	const json_t *policy = json_object_get(root, "policy");
	const char *name = json_string_value(policy), *file = json_doc_file(t->doc);
	const char *slash = strrchr(file, '/');
	char path[512];
	int n;

	if (json_is_object(policy))
		return trial_load_value(t->cli, &t->trial, "\"policy\"", policy);
	if (!name)
		return bad(t, root, policy ? "policy" : NULL,
			   "\"policy\" must be a file's name or a policy");
	n = name[0] == '/' || !slash
		    ? snprintf(path, sizeof(path), "%s", name)
		    : snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - file), file, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return bad(t, root, "policy", "the file's name is too long");
	return trial_load_file(t->cli, &t->trial, path);
}

static int read_facts(struct run *t, const json_t *test, struct policy_facts *ret)
{
	static const char *const members[] = { "workload", "provider", "operation", "model", NULL };
	const json_t *facts = json_object_get(test, "facts");
	const char *text[4];
	int r;

	if (!json_is_object(facts))
		return bad(t, test, facts ? "facts" : NULL, "\"facts\" must be an object");
	r = only(t, facts, members);
	for (int i = 0; r == 0 && i < 4; i++) {
		text[i] = json_string_value(json_object_get(facts, members[i]));
		if (!text[i] && i < 3)
			r = bad(t, test, "facts",
				"\"facts\" must have \"workload\", \"provider\" and \"operation\"");
	}
	if (r < 0)
		return r;
	return trial_facts(t->cli, &t->trial,
			   &(struct trial_question){ text[0], text[1], text[2], text[3] }, ret);
}

/* The first member that differs, or NULL. */
static const char *compare(const json_t *expect, const json_t *got)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)expect, key, v)
	{
		const json_t *g = json_object_get(got, key);

		if (!(json_is_null(v) && !g) && !json_equal(v, g))
			return key;
	}
	return NULL;
}

static int report(struct run *t, const json_t *test, const json_t *expect, const json_t *got)
{
	const char *differs = compare(expect, got);
	json_t *row = json_pack("{ss ss ss* sO* sO*}", "file", json_doc_file(t->doc), "state",
				differs ? "fail" : "ok", "differs", differs, "wanted",
				differs ? json_object_get(expect, differs) : NULL, "got",
				differs ? json_object_get(got, differs) : NULL);
	int r;

	if (row)
		(void)json_object_set(row, "name", json_object_get(test, "name"));
	t->failed += differs != NULL;
	r = out_list_row(&t->list, row);
	json_decref(row);
	return r;
}

static int run_test(struct run *t, const json_t *test)
{
	static const char *const members[] = { "name", "facts", "expect", NULL };
	static const char *const expected[] = { "decision",	   "rule",	 "text",
						"credential",	   "max_tokens", "shadow_rule",
						"shadow_decision", NULL };
	const json_t *expect = json_object_get(test, "expect");
	struct policy_facts facts;
	json_t *got;
	int r = only(t, test, members);

	if (r == 0 && !json_is_string(json_object_get(test, "name")))
		r = bad(t, test, NULL, "a test must have a \"name\"");
	if (r == 0 && !json_is_string(json_object_get(expect, "decision")))
		r = bad(t, test, expect ? "expect" : NULL,
			"\"expect\" must be an object with at least a \"decision\"");
	if (r == 0)
		r = only(t, expect, expected);
	if (r == 0)
		r = read_facts(t, test, &facts);
	if (r < 0)
		return r;
	got = trial_decision(&t->trial, &facts);
	r = got ? report(t, test, expect, got) : cli_oom(t->cli);
	json_decref(got);
	return r;
}

static int run_doc(struct run *t)
{
	static const char *const members[] = { "$schema", "policy", "tests", NULL };
	json_t *root = json_doc_root(t->doc), *tests, *test;
	size_t i;
	int r;

	if (!json_is_object(root))
		return bad(t, NULL, NULL,
			   "a file of tests is an object with \"policy\" and \"tests\"");
	r = only(t, root, members);
	tests = json_object_get(root, "tests");
	if (r == 0 && json_array_size(tests) == 0)
		r = bad(t, root, tests ? "tests" : NULL,
			"\"tests\" must be a list of at least one");
	if (r == 0)
		r = load_policy(t, root);
	json_array_foreach(tests, i, test) if (r == 0) r =
		json_is_object(test) ? run_test(t, test)
				     : bad(t, root, "tests", "a test must be an object");
	return r;
}

static int run_file(struct run *t, const char *file)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	struct diag d = { 0 };

	if (fd < 0)
		return cli_fail(t->cli, "not_found", "cannot open %s: %s", file, strerror(errno));
	if (json_doc_read(file, fd, TESTS_MAX, &d, &doc) < 0)
		return cli_fail_diag(t->cli, "bad_policy", &d);
	t->doc = doc;
	return run_doc(t);
}

int policy_test(struct cli *cli, const struct args *args)
{
	_cleanup_(run_done) struct run t = { .cli = cli };
	int r = trial_open_catalogue(cli, &t.trial);

	if (r == 0)
		r = out_list_begin(cli, &t.list, columns, ARRAY_SIZE(columns), false);
	for (char **file = args_rest(args, "FILE"); r == 0 && *file; file++)
		r = run_file(&t, *file);
	if (r == 0)
		r = out_list_end(&t.list);
	return r < 0 ? r : t.failed != 0;
}
