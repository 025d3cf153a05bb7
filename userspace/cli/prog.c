/* SPDX-License-Identifier: Apache-2.0 */
/* egret prog: the BPF programs on the cgroup, from the daemon or from their pins. */
#include "cli/ask.h"
#include "cli/objects.h"
#include "cli/pinned.h"
#include "control/rows.h"

static const struct column columns[] = {
	{ "NAME", "name", FORM_TEXT },
	{ "HOOK", "attach_type", FORM_TEXT },
	{ "ATTACHED", "attached", FORM_TEXT },
	{ "ID", "id", FORM_COUNT },
	{ "LINK", "link_id", FORM_COUNT },
	{ "CGROUP", "cgroup", FORM_COUNT },
	{ "INSNS", "insns", FORM_COUNT },
	{ "RUNS", "run_cnt", FORM_COUNT },
	{ "RUN-TIME", "run_ns", FORM_DURATION_NS },
};

static int on_prog(void *ctx, const struct inspect_prog *p)
{
	json_t *row = rows_prog(p);
	int r = out_list_row(ctx, row);

	json_decref(row);
	return r;
}

static int list_pinned(struct cli *cli, const struct diag *dead)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	_cleanup_(out_list_done) struct out_list l = { 0 };
	int r = pinned_open(cli, dead, &in);

	if (r == 0)
		r = out_list_begin(cli, &l, columns, ARRAY_SIZE(columns), false);
	if (r < 0)
		return r;
	l.from_pins = true;
	r = pinned_check(cli, inspect_progs(in, on_prog, &l), "programs");
	return r < 0 ? r : out_list_end(&l);
}

static int do_list(struct cli *cli, const struct args *args)
{
	struct diag dead = { 0 };
	int r = ask_list_or_dead(cli, "prog.list", NULL, columns, ARRAY_SIZE(columns), &dead);

	(void)args;
	return r == ASK_DEAD ? list_pinned(cli, &dead) : r;
}

static const struct command commands[] = {
	{ "list", "",
	  "programs, where they are attached, what they cost; runs and run time are counted while "
	  "`sysctl kernel.bpf_stats_enabled=1` holds",
	  do_list },
};

const struct object object_prog = { "prog", "the BPF programs that enforce (also without egretd)",
				    commands, ARRAY_SIZE(commands) };
