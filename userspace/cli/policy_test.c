/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_test.h"

#include <string.h>

#include "cli/out.h"
#include "cli/trial.h"
#include "policy/golden.h"

static const struct column columns[] = {
	{ "STATE", "state", FORM_TEXT },   { "FILE", "file", FORM_TEXT },
	{ "TEST", "name", FORM_TEXT },	   { "DIFFERS", "differs", FORM_TEXT },
	{ "WANTED", "wanted", FORM_TEXT }, { "GOT", "got", FORM_TEXT },
};

struct run {
	struct cli *cli;
	struct trial trial;
	struct out_list list;
	unsigned failed;
};

static void run_done(struct run *t)
{
	trial_done(&t->trial);
	out_list_done(&t->list);
}

static int on_result(void *ctx, const struct golden_result *g)
{
	struct run *t = ctx;
	/* O takes a non-const object and counts a reference. */
	json_t *wanted = (json_t *)(uintptr_t)g->wanted, *got = (json_t *)(uintptr_t)g->got;
	json_t *row = json_pack("{ss ss ss ss* sO* sO*}", "file", g->file, "name", g->name, "state",
				g->differs ? "fail" : "ok", "differs", g->differs, "wanted", wanted,
				"got", got);
	int r;

	t->failed += g->differs != NULL;
	r = row ? out_list_row(&t->list, row) : cli_oom(t->cli);
	json_decref(row);
	return r;
}

static int run_file(struct run *t, const char *file)
{
	struct diag d = { 0 };
	int r = golden_run(file, t->trial.catalogue, &d, on_result, t);

	if (r < 0 && !t->cli->error)
		return d.text[0] ? cli_fail_diag(t->cli, "bad_policy", &d)
				 : cli_fail(t->cli, "failed", "%s: %s", file, strerror(-r));
	return r;
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
