/* SPDX-License-Identifier: Apache-2.0 */
/* egret map: the BPF maps' shape and fill, and what the readable ones hold. */
#include <string.h>

#include "cli/ask.h"
#include "cli/endpoint.h"
#include "cli/flow.h"
#include "cli/objects.h"
#include "cli/pinned.h"
#include "control/rows.h"

static const struct column columns[] = {
	{ "NAME", "name", FORM_TEXT },
	{ "TYPE", "type", FORM_TEXT },
	{ "ID", "id", FORM_COUNT },
	{ "KEY", "key_size", FORM_COUNT },
	{ "VALUE", "value_size", FORM_COUNT },
	{ "MAX", "max_entries", FORM_COUNT },
	{ "ENTRIES", "entries", FORM_COUNT },
	{ "MEMORY", "bytes", FORM_BYTES },
	{ "HOLDS", "text", FORM_TEXT },
};

static const struct column counts[] = {
	{ "HOOK", "hook", FORM_TEXT },
	{ "REASON", "reason", FORM_TEXT },
	{ "COUNT", "count", FORM_COUNT },
};

static const struct column endpoints[] = {
	{ "ADDRESS", "address", FORM_TEXT },
	{ "PROVIDER", "provider", FORM_TEXT },
	{ "SOURCE", "source", FORM_TEXT },
	{ "AGE", "age_us", FORM_DURATION },
};

static const struct column flows[] = {
	{ "COOKIE", "cookie", FORM_COUNT },    { "PID", "pid", FORM_COUNT },
	{ "UID", "uid", FORM_COUNT },	       { "COMM", "comm", FORM_TEXT },
	{ "CGROUP", "cgroup", FORM_COUNT },    { "NETNS", "netns", FORM_COUNT },
	{ "PROVIDER", "provider", FORM_TEXT }, { "DST", "dst", FORM_TEXT },
	{ "PORT", "dport", FORM_COUNT },       { "AGE", "age_us", FORM_DURATION },
};

static int on_map(void *ctx, const struct inspect_map *m)
{
	json_t *row = rows_map(m);
	int r = out_list_row(ctx, row);

	json_decref(row);
	return r;
}

static int on_count(void *ctx, json_t *row)
{
	int r = out_list_row(ctx, row);

	json_decref(row);
	return r;
}

static int begin_pinned(struct cli *cli, const struct diag *dead, const struct column *c, size_t n,
			struct inspect **in, struct out_list *l)
{
	int r = pinned_open(cli, dead, in);

	if (r == 0)
		r = out_list_begin(cli, l, c, n, false);
	if (r == 0)
		l->from_pins = true;
	return r;
}

static int list_pinned(struct cli *cli, const struct diag *dead)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	_cleanup_(out_list_done) struct out_list l = { 0 };
	int r = begin_pinned(cli, dead, columns, ARRAY_SIZE(columns), &in, &l);

	if (r == 0)
		r = pinned_check(cli, inspect_maps(in, on_map, &l), "maps");
	return r < 0 ? r : out_list_end(&l);
}

static int do_list(struct cli *cli, const struct args *args)
{
	struct diag dead = { 0 };
	int r = ask_list_or_dead(cli, "map.list", NULL, columns, ARRAY_SIZE(columns), &dead);

	(void)args;
	return r == ASK_DEAD ? list_pinned(cli, &dead) : r;
}

static int dump_counts_pinned(struct cli *cli, const struct diag *dead)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	_cleanup_(out_list_done) struct out_list l = { 0 };
	struct inspect_counts c = { 0 };
	int r = begin_pinned(cli, dead, counts, ARRAY_SIZE(counts), &in, &l);

	if (r == 0)
		r = pinned_check(cli, inspect_counts(in, &c), "counters");
	if (r == 0)
		r = rows_counts(&c, on_count, &l);
	return r < 0 ? r : out_list_end(&l);
}

static int dump_endpoints_pinned(struct cli *cli, const struct diag *dead)
{
	return endpoint_list_pinned(cli, dead, NULL, false);
}

static int dump_flows_pinned(struct cli *cli, const struct diag *dead)
{
	return flow_list_pinned(cli, dead, NULL);
}

static const struct {
	const char *name;
	const struct column *columns;
	size_t n;
	int (*dump_pinned)(struct cli *cli, const struct diag *dead);
} readable[] = {
	{ "eg_endpoint", endpoints, ARRAY_SIZE(endpoints), dump_endpoints_pinned },
	{ "eg_count", counts, ARRAY_SIZE(counts), dump_counts_pinned },
	{ "eg_cflow", flows, ARRAY_SIZE(flows), dump_flows_pinned },
};

static int do_dump(struct cli *cli, const struct args *args)
{
	const char *name = args_get(args, "MAP");
	struct diag dead = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		int r;

		if (strcmp(name, readable[i].name) != 0)
			continue;
		r = ask_list_or_dead(cli, "map.dump", json_pack("{ss}", "name", name),
				     readable[i].columns, readable[i].n, &dead);
		return r == ASK_DEAD ? readable[i].dump_pinned(cli, &dead) : r;
	}
	return cli_usage(cli, "\"%s\" cannot be read: eg_endpoint, eg_count and eg_cflow can",
			 name);
}

static const struct command commands[] = {
	{ "list", "", "maps, their size and how full they are", do_list },
	{ "dump", "MAP", "what eg_endpoint, eg_count or eg_cflow holds", do_dump },
};

const struct object object_map = { "map", "the BPF maps of the programs (also without egretd)",
				   commands, ARRAY_SIZE(commands) };
