/* SPDX-License-Identifier: Apache-2.0 */
/* egret policy: check, load, show, explain, test. What needs no daemon is done by trial.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/objects.h"
#include "cli/policy_test.h"
#include "cli/trial.h"
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

#define POLICY_MAX (8u << 20) /* bytes: as much as egretd takes */
#define READ_BYTES 65536u

static int read_text(struct cli *cli, const char *file, struct buf *ret)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return cli_fail(cli, "not_found", "cannot open %s: %s", file, strerror(errno));
	buf_init(ret, POLICY_MAX + READ_BYTES);
	do {
		char *to = buf_reserve(ret, READ_BYTES);

		if (!to || buf_len(ret) > POLICY_MAX)
			return cli_fail(cli, "too_large", "%s: larger than %u bytes", file,
					POLICY_MAX);
		n = read(fd, to, READ_BYTES);
		buf_commit(ret, n > 0 ? (size_t)n : 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? cli_fail(cli, "failed", "cannot read %s: %s", file, strerror(errno)) : 0;
}

/* Read with the caller's rights; the daemon gets the text, and the name for messages. */
static int put_policy(struct cli *cli, const char *file, struct ask *a)
{
	_cleanup_(buf_release) struct buf text = { 0 };
	int r = read_text(cli, file, &text);
	struct slice s = buf_slice(&text);
	json_t *policy;

	if (r < 0)
		return r;
	if (!a->args)
		a->args = json_object();
	policy = json_stringn(s.p ?: "", s.n);
	if (!policy || json_object_set_new(a->args, "policy", policy) < 0)
		return cli_fail(cli, "bad_policy", "%s: it is not UTF-8 text", file);
	return json_object_set_new(a->args, "file", json_string(file)) < 0
		       ? cli_usage(cli, "the file's name is not UTF-8")
		       : 0;
}

static void note_warnings(struct cli *cli, const json_t *end)
{
	const json_t *texts = json_object_get(end, "warnings");

	for (size_t i = 0; i < json_array_size(texts); i++)
		cli_note(cli, "%s", json_string_value(json_array_get(texts, i)));
}

/* dead NULL: there must be a daemon. */
static int ask_about_file(struct cli *cli, const char *command, const char *file, struct diag *dead)
{
	struct ask a = { .command = command };
	json_t *end = NULL;
	int r = file ? put_policy(cli, file, &a) : 0;

	if (r == 0)
		r = ask(cli, &a, dead, &end);
	else
		json_decref(a.args);
	note_warnings(cli, end);
	if (r == 0)
		r = out_object(cli, end, fields, ARRAY_SIZE(fields));
	json_decref(end);
	return r;
}

/* Why a policy is judged by this command; NULL: it was asked for. */
static const char no_daemon[] = "egretd is not running";
static const char no_root[] = "egretd compiles policies of root's only";

static int open_trial(struct cli *cli, struct trial *t, const char *file, const char *why)
{
	int r = trial_open_catalogue(cli, t);

	if (why)
		cli_note(cli, "%s: judged here, by the catalogue built into this command", why);
	return r < 0 ? r : trial_load_file(cli, t, file);
}

static int check_here(struct cli *cli, const char *file, const char *why)
{
	_cleanup_(trial_done) struct trial t = { 0 };
	json_t *end;
	int r = open_trial(cli, &t, file, why);

	if (r < 0)
		return r;
	end = json_pack("{sI sI}", "workloads", (json_int_t)policy_workloads(t.policy) - 1, "rules",
			(json_int_t)t.n_rules);
	r = end ? out_object(cli, end, fields, ARRAY_SIZE(fields)) : cli_oom(cli);
	json_decref(end);
	return r;
}

/* The file that the daemon's policy came from; the usual one when it has none or is away. */
static json_t *configured_file(struct cli *cli)
{
	struct ask a = { .command = "policy.show" };
	struct diag dead = { 0 };
	json_t *end = NULL, *file = NULL;
	const char *source;

	if (ask(cli, &a, &dead, &end) == 0)
		file = json_incref(json_object_get(end, "source"));
	json_decref(end);
	source = json_string_value(file);
	if (source && source[0] == '/')
		return file;
	json_decref(file);
	return json_string(EG_POLICY_FILE);
}

static int check_file(struct cli *cli, const struct args *args, const char *file)
{
	struct diag dead = { 0 };
	int r;

	if (args_has(args, "--offline"))
		return check_here(cli, file, NULL);
	if (geteuid() != 0)
		return check_here(cli, file, no_root);
	r = ask_about_file(cli, "policy.check", file, &dead);
	return r == ASK_DEAD ? check_here(cli, file, no_daemon) : r;
}

static int do_check(struct cli *cli, const struct args *args)
{
	const char *given = args_get(args, "FILE"), *file;
	json_t *configured = given || args_has(args, "--offline") ? NULL : configured_file(cli);
	int r;

	file = given ?: json_string_value(configured) ?: EG_POLICY_FILE;
	if (cli->error)
		r = -EIO;
	else if (!given && access(file, F_OK) < 0 && errno == ENOENT)
		r = cli_fail(cli, "not_found",
			     "no FILE is given and there is no %s, in place of which egretd uses "
			     "the policy built into it: name the file to check",
			     file);
	else
		r = check_file(cli, args, file);
	json_decref(configured);
	return r;
}

static int do_load(struct cli *cli, const struct args *args)
{
	return ask_about_file(cli, "policy.load", args_get(args, "FILE"), NULL);
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

/* Whether a rule applies depends on the model, and the question has none. */
static bool is_open(const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) if (json_object_get(row, "failed") &&
					     !json_object_get(row, "applies")) return true;
	return false;
}

/* JSON: the end object with the rows in it; plain: the sheet, then the table. */
static int print_both(struct cli *cli, json_t *end, json_t *rows, const struct column *c, size_t n)
{
	int r;

	if (!end || !rows)
		return cli_oom(cli);
	if (is_open(rows))
		cli_note(cli, "without --model this is the decision of a request that names none; "
			      "rules that ask for one are left open");
	if (cli->format != CLI_PLAIN) {
		(void)json_object_set(end, "list", rows);
		return out_json(cli, end);
	}
	r = out_object(cli, end, fields, ARRAY_SIZE(fields));
	(void)fputc('\n', stdout);
	return r < 0 ? r : print_rows(cli, rows, c, n);
}

static int ask_both(struct cli *cli, struct ask *a, const struct column *c, size_t n,
		    struct diag *dead)
{
	json_t *rows = json_array(), *end = NULL;
	int r;

	a->on_row = keep;
	a->ctx = rows;
	r = ask(cli, a, dead, &end);
	if (r == 0)
		r = print_both(cli, end, rows, c, n);
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
	return ask_both(cli, &a, rules, ARRAY_SIZE(rules), NULL);
}

static const struct args_member facts[] = {
	{ "--workload", "workload", ARGS_TEXT },
	{ "--provider", "provider", ARGS_TEXT },
	{ "--operation", "operation", ARGS_TEXT },
	{ "--model", "model", ARGS_TEXT },
};

static int explain_here(struct cli *cli, const struct args *args, const char *why)
{
	_cleanup_(trial_done) struct trial t = { 0 };
	struct question q = { args_get(args, "--workload"), args_get(args, "--provider"),
			      args_get(args, "--operation"), args_get(args, "--model") };
	struct policy_facts given;
	json_t *end, *rows;
	int r = open_trial(cli, &t, args_get(args, "--policy") ?: EG_POLICY_FILE, why);

	if (r == 0)
		r = trial_facts(cli, &t, &q, &given);
	if (r < 0)
		return r;
	end = trial_decision(&t, &given);
	rows = trial_rules(&t, &given);
	r = print_both(cli, end, rows, explained, ARRAY_SIZE(explained));
	json_decref(end);
	json_decref(rows);
	return r;
}

static int do_explain(struct cli *cli, const struct args *args)
{
	struct ask a = { .command = "policy.explain" };
	const char *file = args_get(args, "--policy");
	struct diag dead = { 0 };
	int r;

	if (args_has(args, "--offline"))
		return explain_here(cli, args, NULL);
	if (file && geteuid() != 0)
		return explain_here(cli, args, no_root);
	r = args_object(cli, args, facts, ARRAY_SIZE(facts), &a.args);
	if (r < 0)
		return r;
	if (file)
		r = put_policy(cli, file, &a);
	if (r == 0)
		r = ask_both(cli, &a, explained, ARRAY_SIZE(explained), &dead);
	else
		json_decref(a.args);
	return r == ASK_DEAD ? explain_here(cli, args, no_daemon) : r;
}

static const struct command commands[] = {
	{ "check", "[--offline] [FILE]", "whether egretd would take a policy; nothing changes",
	  do_check },
	{ "load", "[FILE]",
	  "put a policy in force, all of it or nothing; FILE until the next reload or restart, "
	  "else "
	  "the configured one",
	  do_load },
	{ "show", "[--text]", "rules in force; with --text the policy as loaded", do_show },
	{ "explain",
	  "--workload WORKLOAD --provider PROVIDER --operation OPERATION [--model MODEL] "
	  "[--policy FILE] [--offline]",
	  "what would be decided, and what each rule says to it", do_explain },
	{ "test", "FILE...", "compare decisions with the ones that files of questions expect",
	  policy_test },
};

const struct object object_policy = { "policy", "what is allowed to whom", commands,
				      ARRAY_SIZE(commands) };
