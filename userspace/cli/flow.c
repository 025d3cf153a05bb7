/* SPDX-License-Identifier: Apache-2.0 */
/* egret flow: connections to governed endpoints and whose they are, from the daemon or the pins. */
#include "cli/flow.h"

#include <string.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/objects.h"
#include "cli/pinned.h"
#include "control/rows.h"

static const struct column columns[] = {
	{ "COOKIE", "cookie", FORM_COUNT },    { "WORKLOAD", "workload", FORM_TEXT },
	{ "PID", "pid", FORM_COUNT },	       { "UID", "uid", FORM_COUNT },
	{ "COMM", "comm", FORM_TEXT },	       { "HOST", "host", FORM_TEXT },
	{ "PROVIDER", "provider", FORM_TEXT }, { "DST", "dst", FORM_TEXT },
	{ "PORT", "dport", FORM_COUNT },       { "STATE", "state", FORM_TEXT },
	{ "AGE", "age_us", FORM_DURATION },    { "REQUESTS", "requests", FORM_COUNT },
	{ "IN", "bytes_in", FORM_BYTES },      { "OUT", "bytes_out", FORM_BYTES },
	{ "WORKER", "worker", FORM_COUNT },
};

static const struct column pinned_columns[] = {
	{ "COOKIE", "cookie", FORM_COUNT },    { "PID", "pid", FORM_COUNT },
	{ "UID", "uid", FORM_COUNT },	       { "COMM", "comm", FORM_TEXT },
	{ "CGROUP", "cgroup", FORM_COUNT },    { "NETNS", "netns", FORM_COUNT },
	{ "PROVIDER", "provider", FORM_TEXT }, { "DST", "dst", FORM_TEXT },
	{ "PORT", "dport", FORM_COUNT },       { "AGE", "age_us", FORM_DURATION },
};

static const struct column fields[] = {
	{ "cookie", "cookie", FORM_COUNT },
	{ "workload", "workload", FORM_TEXT },
	{ "pid", "pid", FORM_COUNT },
	{ "uid", "uid", FORM_COUNT },
	{ "comm", "comm", FORM_TEXT },
	{ "exe", "exe", FORM_TEXT },
	{ "cgroup", "cgroup", FORM_COUNT },
	{ "cgroup path", "cgroup_path", FORM_TEXT },
	{ "host", "host", FORM_TEXT },
	{ "provider", "provider", FORM_TEXT },
	{ "destination", "dst", FORM_TEXT },
	{ "port", "dport", FORM_COUNT },
	{ "state", "state", FORM_TEXT },
	{ "age", "age_us", FORM_DURATION },
	{ "requests", "requests", FORM_COUNT },
	{ "bytes in", "bytes_in", FORM_BYTES },
	{ "bytes out", "bytes_out", FORM_BYTES },
	{ "worker", "worker", FORM_COUNT },
};

static const struct args_member filters[] = {
	{ "--workload", "workload", ARGS_TEXT },
	{ "--provider", "provider", ARGS_TEXT },
};
static const struct args_member cookie[] = { { "COOKIE", "cookie", ARGS_NUMBER } };

struct listing {
	struct out_list list;
	const char *provider;
	uint64_t now_ns;
	/* of `show` */
	uint64_t cookie;
	json_t *found;
};

static int on_flow(void *ctx, const struct eg_flow *f)
{
	struct listing *l = ctx;
	json_t *row = rows_flow(f, NULL, l->now_ns);
	const char *provider = json_string_value(json_object_get(row, "provider"));
	int r = 0;

	if (!row || !l->provider || (provider && strcmp(provider, l->provider) == 0))
		r = out_list_row(&l->list, row);
	json_decref(row);
	return r;
}

static void listing_done(struct listing *l)
{
	out_list_done(&l->list);
	json_decref(l->found);
}

int flow_list_pinned(struct cli *cli, const struct diag *dead, const char *provider)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	_cleanup_(listing_done) struct listing l = { .provider = provider,
						     .now_ns = clock_mono_us() * 1000 };
	int r = pinned_open(cli, dead, &in);

	if (r == 0)
		r = out_list_begin(cli, &l.list, pinned_columns, ARRAY_SIZE(pinned_columns), false);
	if (r < 0)
		return r;
	l.list.from_pins = true;
	r = pinned_check(cli, inspect_flows(in, on_flow, &l), "flows");
	return r < 0 ? r : out_list_end(&l.list);
}

static int do_list(struct cli *cli, const struct args *args)
{
	struct diag dead = { 0 };
	json_t *a = NULL;
	int r = args_object(cli, args, filters, ARRAY_SIZE(filters), &a);

	if (r < 0)
		return r;
	r = ask_list_or_dead(cli, "flow.list", a, columns, ARRAY_SIZE(columns), &dead);
	if (r != ASK_DEAD)
		return r;
	if (args_has(args, "--workload"))
		return cli_fail(cli, "unavailable",
				"%s; the pins know no workloads: leave --workload out", dead.text);
	return flow_list_pinned(cli, &dead, args_get(args, "--provider"));
}

static int find_cookie(void *ctx, const struct eg_flow *f)
{
	struct listing *l = ctx;

	if (f->cookie != l->cookie)
		return 0;
	l->found = rows_flow(f, NULL, l->now_ns);
	return 1;
}

static int show_pinned(struct cli *cli, const struct diag *dead, uint64_t wanted)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	_cleanup_(listing_done) struct listing l = { .cookie = wanted,
						     .now_ns = clock_mono_us() * 1000 };
	int r = pinned_open(cli, dead, &in);

	if (r == 0)
		r = pinned_check(cli, inspect_flows(in, find_cookie, &l), "flows");
	if (r < 0)
		return r;
	if (!l.found)
		return cli_fail(cli, "not_found", "there is no flow %llu: `egret flow list`",
				(unsigned long long)wanted);
	(void)json_object_set_new(l.found, "from", json_string("pins"));
	return out_object(cli, l.found, fields, ARRAY_SIZE(fields));
}

static int do_show(struct cli *cli, const struct args *args)
{
	struct diag dead = { 0 };
	json_t *end = NULL;
	struct ask a = { .command = "flow.show" };
	uint64_t wanted = 0;
	int r = args_number(cli, args, "COOKIE", &wanted);

	if (r == 0)
		r = args_object(cli, args, cookie, ARRAY_SIZE(cookie), &a.args);
	if (r < 0)
		return r;
	r = ask(cli, &a, &dead, &end);
	if (r == ASK_DEAD)
		return show_pinned(cli, &dead, wanted);
	if (r == 0)
		r = out_object(cli, end, fields, ARRAY_SIZE(fields));
	json_decref(end);
	return r;
}

static const struct command commands[] = {
	{ "list", "[--workload WORKLOAD] [--provider PROVIDER]",
	  "connections to governed endpoints, and whose they are", do_list },
	{ "show", "COOKIE", "one of them", do_show },
};

const struct object object_flow = { "flow", "live connections (also without egretd)", commands,
				    ARRAY_SIZE(commands) };
