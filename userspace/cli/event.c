/* SPDX-License-Identifier: Apache-2.0 */
/* egret event: what operators should see that is no request: refusals below HTTP, distrust, odd
 * packets. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column columns[] = {
	{ "TIME", "time_us", FORM_TIME },      { "REASON", "reason", FORM_TEXT },
	{ "WORKLOAD", "workload", FORM_TEXT }, { "PID", "pid", FORM_COUNT },
	{ "UID", "uid", FORM_COUNT },	       { "HOOK", "hook", FORM_TEXT },
	{ "HOST", "host", FORM_TEXT },	       { "EXE", "exe", FORM_TEXT },
	{ "TEXT", "text", FORM_TEXT },
};

static const struct args_member filters[] = {
	{ "--since", "since_us", ARGS_TIME },	 { "--until", "until_us", ARGS_TIME },
	{ "--workload", "workload", ARGS_TEXT }, { "--reason", "reason", ARGS_TEXT },
	{ "--limit", "limit", ARGS_NUMBER },
};

static int do_list(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, filters, ARRAY_SIZE(filters), &a);

	return r < 0 ? r : ask_list(cli, "event.list", a, columns, ARRAY_SIZE(columns), false);
}

static int do_watch(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, filters + 2, ARRAY_SIZE(filters) - 2, &a);

	return r < 0 ? r : ask_list(cli, "event.watch", a, columns, ARRAY_SIZE(columns), true);
}

static const struct command commands[] = {
	{ "list",
	  "[--since TIME] [--until TIME] [--workload WORKLOAD] [--reason REASON] [--limit N]",
	  "events, oldest first; --reason is one of REASONS in egret(8)", do_list },
	{ "watch", "[--workload WORKLOAD] [--reason REASON] [--limit N]",
	  "new events as they come, after the newest N; --reason as in list", do_watch },
};

const struct object object_event = { "event", "refusals below HTTP, distrust of the CA, tripwires",
				     commands, ARRAY_SIZE(commands) };
