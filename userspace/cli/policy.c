/* SPDX-License-Identifier: Apache-2.0 */
/* egret policy: check, load, show, explain; `test` and checks without a daemon are in trial.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/objects.h"
#include "egret/names.h"

static const struct column rules[] = {
	{ "RULE", "id", FORM_TEXT },
	{ "EFFECT", "effect", FORM_TEXT },
	{ "SHADOW", "shadow", FORM_TEXT },
};

static const struct column explained[] = {
	{ "RULE", "id", FORM_TEXT },	   { "EFFECT", "effect", FORM_TEXT },
	{ "SHADOW", "shadow", FORM_TEXT }, { "APPLIES", "applies", FORM_TEXT },
	{ "FAILED", "failed", FORM_TEXT }, { "LABEL", "label", FORM_TEXT },
	{ "WANTED", "wanted", FORM_TEXT },
};

static const struct column fields[] = {
	{ "decision", "decision", FORM_TEXT },
	{ "rule", "rule", FORM_TEXT },
	{ "text", "text", FORM_TEXT },
	{ "credential", "credential", FORM_TEXT },
	{ "max tokens", "max_tokens", FORM_COUNT },
	{ "shadow rule", "shadow_rule", FORM_TEXT },
	{ "shadow decision", "shadow_decision", FORM_TEXT },
	{ "source", "source", FORM_TEXT },
	{ "generation", "generation", FORM_COUNT },
	{ "loaded", "loaded_us", FORM_TIME },
	{ "workloads", "workloads", FORM_COUNT },
	{ "rules", "rules", FORM_COUNT },
};

/* Opened with the caller's rights; the daemon gets the descriptor and the name for messages. */
static int open_policy(struct cli *cli, const char *file, struct ask *a)
{
	a->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (a->fd < 0)
		return cli_fail(cli, "not_found", "cannot open %s: %s", file, strerror(errno));
	a->has_fd = true;
	if (!a->args)
		a->args = json_object();
	return json_object_set_new(a->args, "file", json_string(file)) < 0
		       ? cli_usage(cli, "the file's name is not UTF-8")
		       : 0;
}

static int ask_about_file(struct cli *cli, const char *command, const char *file)
{
	struct ask a = { .command = command };
	json_t *end = NULL;
	int r = file ? open_policy(cli, file, &a) : 0;

	if (r == 0)
		r = ask(cli, &a, NULL, &end);
	else
		json_decref(a.args);
	if (a.has_fd)
		cleanup_close(&a.fd);
	if (r == 0)
		r = out_object(cli, end, fields, ARRAY_SIZE(fields));
	json_decref(end);
	return r;
}

static int do_check(struct cli *cli, const struct args *args)
{
	const char *file = args_get(args, "FILE");

	return ask_about_file(cli, "policy.check", file ? file : EG_POLICY_FILE);
}

static int do_load(struct cli *cli, const struct args *args)
{
	return ask_about_file(cli, "policy.load", args_get(args, "FILE"));
}

/* ---- answers of rows and an end that both matter ---- */

static int keep(void *ctx, json_t *row)
{
	return json_array_append(ctx, row) < 0 ? -ENOMEM : 0;
}

static int print_rows(struct cli *cli, const json_t *rows, const struct column *c, size_t n)
{
	_cleanup_(out_list_done) struct out_list l = { 0 };
	int r = out_list_begin(cli, &l, c, n, false);
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) if (r == 0) r = out_list_row(&l, row);
	return r < 0 ? r : out_list_end(&l);
}

/* JSON: the end object with the rows in it; plain: the sheet, then the table. */
static int ask_both(struct cli *cli, struct ask *a, const char *member, const struct column *c,
		    size_t n)
{
	json_t *rows = json_array(), *end = NULL;
	int r;

	a->on_row = keep;
	a->ctx = rows;
	r = ask(cli, a, NULL, &end);
	if (r == 0 && cli->format != CLI_PLAIN) {
		(void)json_object_set(end, member, rows);
		r = out_json(cli, end);
	} else if (r == 0) {
		r = out_object(cli, end, fields, ARRAY_SIZE(fields));
		(void)fputc('\n', stdout);
		if (r == 0)
			r = print_rows(cli, rows, c, n);
	}
	json_decref(rows);
	json_decref(end);
	return r;
}

static int show_text(struct cli *cli)
{
	struct ask a = { .command = "policy.show", .args = json_pack("{sb}", "text", 1) };
	json_t *end = NULL;
	int r = ask(cli, &a, NULL, &end);
	const char *text = json_string_value(json_object_get(end, "text"));

	if (r == 0 && cli->format != CLI_PLAIN)
		r = out_json(cli, end);
	else if (r == 0 && !text)
		r = cli_fail(cli, "unavailable", "egretd does not say the policy's text");
	else if (r == 0)
		(void)fputs(text, stdout);
	json_decref(end);
	return r;
}

static int do_show(struct cli *cli, const struct args *args)
{
	struct ask a = { .command = "policy.show" };

	if (args_has(args, "--text"))
		return show_text(cli);
	return ask_both(cli, &a, "list", rules, ARRAY_SIZE(rules));
}

static const struct args_member facts[] = {
	{ "--workload", "workload", ARGS_TEXT },
	{ "--provider", "provider", ARGS_TEXT },
	{ "--operation", "operation", ARGS_TEXT },
	{ "--model", "model", ARGS_TEXT },
};

static int do_explain(struct cli *cli, const struct args *args)
{
	struct ask a = { .command = "policy.explain" };
	int r = args_object(cli, args, facts, ARRAY_SIZE(facts), &a.args);

	if (r < 0)
		return r;
	if (args_has(args, "--policy"))
		r = open_policy(cli, args_get(args, "--policy"), &a);
	if (r == 0)
		r = ask_both(cli, &a, "list", explained, ARRAY_SIZE(explained));
	else
		json_decref(a.args);
	if (a.has_fd)
		cleanup_close(&a.fd);
	return r;
}

static const struct command commands[] = {
	{ "check", "[FILE]", "whether egretd would take a policy; nothing changes", do_check },
	{ "load", "[FILE]", "put a policy in force, all of it or nothing", do_load },
	{ "show", "[--text]", "rules in force; with --text the policy as loaded", do_show },
	{ "explain",
	  "--workload WORKLOAD --provider PROVIDER --operation OPERATION [--model MODEL] "
	  "[--policy FILE]",
	  "what would be decided, and what each rule says to it", do_explain },
};

const struct object object_policy = { "policy", "what is allowed to whom", commands,
				      ARRAY_SIZE(commands) };
