/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/golden.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/reason.h"
#include "policy/answer.h"
#include "policy/compile.h"
#include "policy/policy.h"
#include "provider/catalogue.h"

#define FILE_MAX  (16u << 20)
#define IMAGE_MAX (64u << 20)

struct golden {
	const struct catalogue *cat;
	struct diag *d;
	struct json_doc *doc, *policy_doc;
	struct buf image;
	struct policy *policy;
	golden_fn fn;
	void *ctx;
};

static void golden_done(struct golden *g)
{
	g->policy = policy_free(g->policy);
	buf_release(&g->image);
	g->policy_doc = json_doc_free(g->policy_doc);
	g->doc = json_doc_free(g->doc);
}

static int bad(struct golden *g, const json_t *parent, const char *key, const char *text)
{
	return json_doc_error(g->doc, g->d, parent, key, false, "%s", text);
}

static int read_file(struct golden *g, const char *file, struct json_doc **ret)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 ? -errno : 0;

	if (r == 0)
		return json_doc_read(file, fd, FILE_MAX, g->d, ret);
	(void)slice_copy(slice_str(file), g->d->file, sizeof(g->d->file));
	(void)diag_at(g->d, 0, 0, "cannot open: %s", strerror(-r));
	return r;
}

/* A relative path begins beside the file that names it. */
static int read_beside(struct golden *g, const json_t *root, const char *name)
{
	const char *file = json_doc_file(g->doc), *slash = strrchr(file, '/');
	char path[4096];
	int n;

	if (name[0] == '/' || !slash)
		return read_file(g, name, &g->policy_doc);
	n = snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - file), file, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return bad(g, root, "policy", "the file's name is too long");
	return read_file(g, path, &g->policy_doc);
}

/* Places in messages are those of its own text: the compiler wants a whole document. */
static int read_inline(struct golden *g, const json_t *policy)
{
	_cleanup_free_ char *text = json_dumps(policy, JSON_INDENT(2));
	char name[300];

	if (!text)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "\"policy\" of %s", json_doc_file(g->doc));
	return json_doc_parse(name, slice_str(text), FILE_MAX, g->d, &g->policy_doc);
}

static int load_policy(struct golden *g, const json_t *root)
{
	const json_t *policy = json_object_get(root, "policy");
	int r;

	if (json_is_string(policy))
		r = read_beside(g, root, json_string_value(policy));
	else if (json_is_object(policy))
		r = read_inline(g, policy);
	else
		r = bad(g, root, policy ? "policy" : NULL,
			"\"policy\" must be a file's name or a policy");
	if (r < 0)
		return r;
	buf_init(&g->image, IMAGE_MAX);
	r = policy_compile(g->policy_doc, g->cat, g->d, &g->image);
	return r < 0 ? r : policy_open(buf_slice(&g->image).p, buf_len(&g->image), &g->policy);
}

static int read_facts(struct golden *g, const json_t *test, struct policy_facts *ret)
{
	static const char *const members[] = { "workload", "provider", "operation", "model", NULL };
	const json_t *facts = json_object_get(test, "facts"), *model;
	struct slice text[3];
	int number[3], r;

	if (!json_is_object(facts))
		return bad(g, test, facts ? "facts" : NULL, "\"facts\" must be an object");
	r = json_doc_only(g->doc, g->d, facts, members);
	if (r < 0)
		return r;
	for (size_t i = 0; i < 3; i++) {
		const json_t *value = json_object_get(facts, members[i]);

		if (!json_is_string(value))
			return bad(g, test, "facts",
				   "\"facts\" needs the strings \"workload\", \"provider\" and "
				   "\"operation\"");
		text[i] = slice_of(json_string_value(value), json_string_length(value));
	}
	number[0] = policy_find_workload(g->policy, text[0]);
	number[1] = catalogue_find_provider(g->cat, text[1]);
	number[2] = catalogue_find_kind(g->cat, text[2]);
	for (size_t i = 0; i < 3; i++)
		if (number[i] < 0)
			return json_doc_error(g->doc, g->d, facts, members[i], false,
					      "no %s is called \"%.63s\"", members[i], text[i].p);
	model = json_object_get(facts, "model");
	if (model && !json_is_string(model))
		return bad(g, facts, "model", "\"model\" must be a string");
	*ret = (struct policy_facts){
		.workload = (unsigned)number[0],
		.provider = (unsigned)number[1],
		.kind = (unsigned)number[2],
		.model = slice_str(model ? json_string_value(model) : ""),
	};
	return 0;
}

/* The first member that differs, or NULL. */
static const char *compare(json_t *expect, const json_t *got)
{
	const char *key;
	json_t *wanted;

	json_object_foreach(expect, key, wanted)
	{
		const json_t *have = json_object_get(got, key);

		if (!(json_is_null(wanted) && !have) && !json_equal(wanted, have))
			return key;
	}
	return NULL;
}

static int run_facts(struct golden *g, const json_t *test, const struct policy_facts *facts)
{
	json_t *expect = json_object_get(test, "expect"), *got;
	struct golden_result result = {
		.file = json_doc_file(g->doc),
		.name = json_string_value(json_object_get(test, "name")),
	};
	struct policy_decision d;
	int r;

	policy_decide(g->policy, facts, &d);
	got = answer_decision(&d);
	if (!got)
		return -ENOMEM;
	result.differs = compare(expect, got);
	if (result.differs) {
		result.wanted = json_object_get(expect, result.differs);
		result.got = json_object_get(got, result.differs);
	}
	r = g->fn(g->ctx, &result);
	json_decref(got);
	return r;
}

/* What policy_decide() says; another word would make a test that can never hold. */
static int check_decision(struct golden *g, const json_t *expect, const char *key)
{
	static const uint32_t decisions[] = { EG_REASON_allowed, EG_REASON_no_rule,
					      EG_REASON_denied_by_rule, EG_REASON_unknown_workload,
					      EG_REASON_model_missing };
	const json_t *value = json_object_get(expect, key);
	const char *text = json_string_value(value);

	if (!value || (json_is_null(value) && strcmp(key, "decision") != 0))
		return 0;
	for (size_t i = 0; text && i < ARRAY_SIZE(decisions); i++)
		if (strcmp(text, reason_name(decisions[i])) == 0)
			return 0;
	return json_doc_error(
		g->doc, g->d, expect, key, false,
		"\"%s\" must be allowed, no_rule, denied_by_rule, unknown_workload or "
		"model_missing, not \"%.63s\"",
		key, text ? text : "?");
}

static int run_test(struct golden *g, const json_t *test)
{
	static const char *const members[] = { "name", "facts", "expect", NULL };
	static const char *const expected[] = { "decision",    "rule",
						"text",	       "credential",
						"max_tokens",  "headers",
						"shadow_rule", "shadow_decision",
						NULL };
	const json_t *expect = json_object_get(test, "expect");
	struct policy_facts facts;
	int r = json_doc_only(g->doc, g->d, test, members);

	if (r == 0 && !json_is_string(json_object_get(test, "name")))
		r = bad(g, test, NULL, "a test needs a \"name\"");
	if (r == 0 && !json_is_string(json_object_get(expect, "decision")))
		r = bad(g, test, expect ? "expect" : NULL,
			"\"expect\" must be an object with at least a \"decision\"");
	if (r == 0)
		r = json_doc_only(g->doc, g->d, expect, expected);
	if (r == 0)
		r = check_decision(g, expect, "decision");
	if (r == 0)
		r = check_decision(g, expect, "shadow_decision");
	if (r == 0)
		r = read_facts(g, test, &facts);
	return r < 0 ? r : run_facts(g, test, &facts);
}

static int run_doc(struct golden *g)
{
	static const char *const members[] = { "$schema", "policy", "tests", NULL };
	const json_t *root = json_doc_root(g->doc), *tests = json_object_get(root, "tests");
	int r;

	if (!json_is_object(root))
		return bad(g, NULL, NULL,
			   "a table of tests is an object with \"policy\" and \"tests\"");
	r = json_doc_only(g->doc, g->d, root, members);
	if (r == 0 && json_array_size(tests) == 0)
		r = bad(g, root, tests ? "tests" : NULL,
			"\"tests\" must be a list of at least one");
	if (r == 0)
		r = load_policy(g, root);
	for (size_t i = 0; r == 0 && i < json_array_size(tests); i++) {
		const json_t *test = json_array_get(tests, i);

		r = json_is_object(test)
			    ? run_test(g, test)
			    : json_doc_error_at(g->doc, g->d, tests, i, "a test must be an object");
	}
	return r;
}

int golden_run(const char *file, const struct catalogue *cat, struct diag *d, golden_fn fn,
	       void *ctx)
{
	_cleanup_(golden_done) struct golden g = { .cat = cat, .d = d, .fn = fn, .ctx = ctx };
	int r = read_file(&g, file, &g.doc);

	return r < 0 ? r : run_doc(&g);
}
