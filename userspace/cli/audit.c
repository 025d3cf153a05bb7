/* SPDX-License-Identifier: Apache-2.0 */
/* egret audit: every decision, as the recorder keeps it. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/csv.h"
#include "cli/objects.h"

static const struct column columns[] = {
	{ "TIME", "time_us", FORM_TIME },	   { "DECISION", "decision", FORM_TEXT },
	{ "STATUS", "status", FORM_COUNT },	   { "WORKLOAD", "workload", FORM_TEXT },
	{ "PROVIDER", "provider", FORM_TEXT },	   { "OPERATION", "operation", FORM_TEXT },
	{ "MODEL", "model", FORM_TEXT },	   { "RULE", "rule", FORM_TEXT },
	{ "CREDENTIAL", "credential", FORM_TEXT }, { "PID", "pid", FORM_COUNT },
	{ "TOTAL", "total_us", FORM_DURATION },	   { "REQUEST", "request_id", FORM_TEXT },
};

/* A whole record: the order of the sheet and of the CSV's columns (PROTOCOL.md). */
static const struct column record[] = {
	{ "request", "request_id", FORM_TEXT },
	{ "time", "time_us", FORM_TIME },
	{ "decision", "decision", FORM_TEXT },
	{ "end", "end", FORM_TEXT },
	{ "status", "status", FORM_COUNT },
	{ "detail", "detail", FORM_TEXT },
	{ "workload", "workload", FORM_TEXT },
	{ "provider", "provider", FORM_TEXT },
	{ "operation", "operation", FORM_TEXT },
	{ "model", "model", FORM_TEXT },
	{ "host", "host", FORM_TEXT },
	{ "method", "method", FORM_TEXT },
	{ "path", "path", FORM_TEXT },
	{ "rule", "rule", FORM_TEXT },
	{ "shadow rule", "shadow_rule", FORM_TEXT },
	{ "credential", "credential", FORM_TEXT },
	{ "max tokens", "max_tokens", FORM_COUNT },
	{ "capped", "capped", FORM_TEXT },
	{ "stream", "stream", FORM_TEXT },
	{ "direct key", "direct_key", FORM_TEXT },
	{ "replaced key", "replaced_key", FORM_TEXT },
	{ "key fingerprint", "key_fingerprint", FORM_TEXT },
	{ "bytes in", "bytes_in", FORM_BYTES },
	{ "bytes out", "bytes_out", FORM_BYTES },
	{ "first byte", "first_us", FORM_DURATION },
	{ "total", "total_us", FORM_DURATION },
	{ "pid", "pid", FORM_COUNT },
	{ "started after boot", "start_ns", FORM_DURATION_NS },
	{ "uid", "uid", FORM_COUNT },
	{ "gid", "gid", FORM_COUNT },
	{ "exe", "exe", FORM_TEXT },
	{ "exe sha256", "exe_sha256", FORM_TEXT },
	{ "cgroup", "cgroup", FORM_COUNT },
	{ "cgroup path", "cgroup_path", FORM_TEXT },
	{ "container", "container", FORM_TEXT },
	{ "reused", "reused", FORM_TEXT },
	{ "worker", "worker", FORM_COUNT },
	{ "generation", "generation", FORM_COUNT },
};

/* tail knows no times: they come first, so that it can leave them out. */
static const struct args_member filters[] = {
	{ "--since", "since_us", ARGS_TIME },	   { "--until", "until_us", ARGS_TIME },
	{ "--workload", "workload", ARGS_TEXT },   { "--provider", "provider", ARGS_TEXT },
	{ "--model", "model", ARGS_TEXT },	   { "--operation", "operation", ARGS_TEXT },
	{ "--decision", "decision", ARGS_TEXT },   { "--rule", "rule", ARGS_TEXT },
	{ "--key", "key_fingerprint", ARGS_TEXT }, { "--limit", "limit", ARGS_NUMBER },
};
#define N_TIMES	       2

#define SYNOPSIS_TIMES "[--since TIME] [--until TIME] "
#define SYNOPSIS                                                                                   \
	"[--workload WORKLOAD] [--provider PROVIDER] [--model MODEL] [--operation OPERATION] "     \
	"[--decision REASON] [--rule RULE] [--key FINGERPRINT] [--limit N]"

static int do_list(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, filters, ARRAY_SIZE(filters), &a);

	return r < 0 ? r : ask_list(cli, "audit.list", a, columns, ARRAY_SIZE(columns), false);
}

static int do_tail(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, filters + N_TIMES, ARRAY_SIZE(filters) - N_TIMES, &a);

	return r < 0 ? r : ask_list(cli, "audit.tail", a, columns, ARRAY_SIZE(columns), true);
}

static int do_show(struct cli *cli, const struct args *args)
{
	static const struct args_member id[] = { { "REQUEST", "request_id", ARGS_TEXT } };
	json_t *a = NULL;
	int r = args_object(cli, args, id, ARRAY_SIZE(id), &a);

	return r < 0 ? r : ask_object(cli, "audit.show", a, record, ARRAY_SIZE(record));
}

/* ---- export: as it comes, for files of any size ---- */

struct export
{
	struct cli *cli;
	bool has_header;
};

static int export_json(void *ctx, json_t *row)
{
	const struct export *e = ctx;
	int r = json_dumpf(row, stdout, JSON_COMPACT);

	(void)fputc('\n', stdout);
	return r < 0 ? cli_fail(e->cli, "failed", "cannot print a record") : 0;
}

/* Once, and not before it is known that there is an answer. */
static void export_header(struct export *e)
{
	if (!e->has_header)
		csv_header(stdout, record, ARRAY_SIZE(record));
	e->has_header = true;
}

static int export_csv(void *ctx, json_t *row)
{
	struct export *e = ctx;

	export_header(e);
	return csv_row(stdout, row, record, ARRAY_SIZE(record)) < 0 ? cli_oom(e->cli) : 0;
}

static int do_export(struct cli *cli, const struct args *args)
{
	const char *format = args_get(args, "--format");
	bool is_csv = format && strcmp(format, "csv") == 0;
	struct export e = { .cli = cli };
	struct ask a = { .command = "audit.list",
			 .on_row = is_csv ? export_csv : export_json,
			 .ctx = &e };
	json_t *end = NULL;
	int r;

	if (format && !is_csv && strcmp(format, "json") != 0)
		return cli_usage(cli, "--format: \"%s\" is neither json nor csv", format);
	r = args_object(cli, args, filters, ARRAY_SIZE(filters), &a.args);
	if (r < 0)
		return r;
	r = ask(cli, &a, NULL, &end);
	if (r == 0 && is_csv)
		export_header(&e);
	json_decref(end);
	return r;
}

static const struct command commands[] = {
	{ "list", SYNOPSIS_TIMES SYNOPSIS,
	  "decisions, oldest first; with --limit the newest that many; --decision is allowed, "
	  "denied (all others), or one of REASONS in egret(8)",
	  do_list },
	{ "show", "REQUEST", "one record, by its request id or the beginning of it", do_show },
	{ "tail", SYNOPSIS,
	  "new decisions as they come, after the newest N (10); --decision as in list", do_tail },
	{ "export", "[--format FORMAT] " SYNOPSIS_TIMES SYNOPSIS,
	  "records whole, as JSON lines (json, whatever the options) or CSV (csv); --decision as "
	  "in list",
	  do_export },
};

const struct object object_audit = { "audit", "every decision that was made", commands,
				     ARRAY_SIZE(commands) };
