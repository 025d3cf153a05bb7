/* SPDX-License-Identifier: Apache-2.0 */
/* egret status: the daemon and its processes at a glance. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/objects.h"

static const struct column fields[] = {
	{ "version", "version", FORM_TEXT },
	{ "upgrade generation", "generation", FORM_COUNT },
	{ "phase", "phase", FORM_TEXT },
	{ "pid", "pid", FORM_COUNT },
	{ "started", "started_us", FORM_TIME },
	{ "configuration", "config", FORM_TEXT },
	{ "cgroup", "cgroup", FORM_TEXT },
	{ "run directory", "run_dir", FORM_TEXT },
	{ "state directory", "state_dir", FORM_TEXT },
	{ "hooks", "hooks", FORM_TEXT },
	{ "endpoints", "endpoints", FORM_COUNT },
	{ "credentials", "credentials", FORM_TEXT },
};

static const struct column policy_fields[] = {
	{ "policy", "source", FORM_TEXT },
	{ "policy generation", "generation", FORM_COUNT },
	{ "policy loaded", "loaded_us", FORM_TIME },
};

static const struct column columns[] = {
	{ "PROCESS", "role", FORM_TEXT },
	{ "INDEX", "index", FORM_COUNT },
	{ "PID", "pid", FORM_COUNT },
	{ "STATE", "state", FORM_TEXT },
	{ "RESTARTS", "restarts", FORM_COUNT },
	{ "STARTED", "started_us", FORM_TIME },
	{ "CONNECTIONS", "connections", FORM_COUNT },
	{ "REQUESTS", "requests", FORM_COUNT },
	{ "DENIED", "denied", FORM_COUNT },
	{ "PASSED-THROUGH", "passed_through", FORM_COUNT },
	{ "IDLE-UPSTREAM", "upstream_idle", FORM_COUNT },
};

static int keep(void *ctx, json_t *row)
{
	return json_array_append(ctx, row) < 0 ? -ENOMEM : 0;
}

/* "11 of 12" in place of two numbers. */
static void merge(json_t *sheet, const char *have, const char *total)
{
	const json_t *h = json_object_get(sheet, have), *t = json_object_get(sheet, total);
	char text[64];

	if (!h || !t)
		return;
	(void)snprintf(text, sizeof(text), "%lld of %lld", (long long)json_integer_value(h),
		       (long long)json_integer_value(t));
	(void)json_object_set_new(sheet, have, json_string(text));
	(void)json_object_del(sheet, total);
}

static int print_table(struct cli *cli, const json_t *processes)
{
	_cleanup_(out_list_done) struct out_list l = { 0 };
	int r = out_list_begin(cli, &l, columns, ARRAY_SIZE(columns), false);
	size_t i;
	json_t *row;

	json_array_foreach(processes, i, row) if (r == 0) r = out_list_row(&l, row);
	return r < 0 ? r : out_list_end(&l);
}

static int print_warnings(struct cli *cli, const json_t *warnings)
{
	size_t i;
	json_t *text;

	json_array_foreach(warnings, i, text)
	{
		json_t *row = json_pack("{sO}", "warning", text);
		struct column c = { "warning", "warning", FORM_TEXT };
		int r = row ? out_object(cli, row, &c, 1) : cli_oom(cli);

		json_decref(row);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The sheet, the policy's lines, the warnings, the table. */
static int print_plain(struct cli *cli, json_t *end, const json_t *processes)
{
	json_t *policy = json_incref(json_object_get(end, "policy"));
	json_t *warnings = json_incref(json_object_get(end, "warnings"));
	int r;

	(void)json_object_del(end, "policy");
	(void)json_object_del(end, "warnings");
	merge(end, "hooks", "hooks_total");
	merge(end, "credentials", "credentials_total");
	r = out_object(cli, end, fields, ARRAY_SIZE(fields));
	if (r == 0)
		r = out_object(cli, policy, policy_fields, ARRAY_SIZE(policy_fields));
	if (r == 0)
		r = print_warnings(cli, warnings);
	(void)fputc('\n', stdout);
	if (r == 0)
		r = print_table(cli, processes);
	json_decref(policy);
	json_decref(warnings);
	return r;
}

static int do_status(struct cli *cli, const struct args *args)
{
	json_t *processes = json_array(), *end = NULL;
	struct ask a = { .command = "status", .on_row = keep, .ctx = processes };
	int r = processes ? ask(cli, &a, NULL, &end) : cli_oom(cli);

	(void)args;
	if (r == 0 && cli->format == CLI_PLAIN) {
		r = print_plain(cli, end, processes);
	} else if (r == 0) {
		(void)json_object_set(end, "processes", processes);
		r = out_json(cli, end);
	}
	json_decref(processes);
	json_decref(end);
	return r;
}

static const struct command commands[] = {
	{ NULL, "", "the state of egretd and its processes", do_status },
};

const struct object object_status = { "status", "the state of egretd and its processes", commands,
				      ARRAY_SIZE(commands) };
