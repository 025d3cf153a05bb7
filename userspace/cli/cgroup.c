/* SPDX-License-Identifier: Apache-2.0 */
/* egret cgroup: which workload and mode hold where, and by which programs; modes from the pins too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/objects.h"
#include "cli/pinned.h"
#include "cli/text.h"
#include "control/rows.h"
#include "dataplane/cgroup.h"

static const struct column columns[] = {
	{ "CGROUP", "cgroup_path", FORM_TEXT },
	{ "WORKLOAD", "workload", FORM_TEXT },
	{ "CAPTURE", "capture", FORM_TEXT },
	{ "EGRESS", "egress", FORM_TEXT },
	{ "OWN", "own", FORM_TEXT },
	{ "PROCESSES", "processes", FORM_COUNT },
};

static const struct column fields[] = {
	{ "cgroup", "cgroup_path", FORM_TEXT },	  { "id", "cgroup", FORM_COUNT },
	{ "workload", "workload", FORM_TEXT },	  { "capture", "capture", FORM_TEXT },
	{ "egress", "egress", FORM_TEXT },	  { "own mode", "own", FORM_TEXT },
	{ "processes", "processes", FORM_COUNT }, { "learned addresses", "learned", FORM_COUNT },
	{ "depth", "depth", FORM_COUNT },
};

static const struct column hooks[] = {
	{ "PROGRAM", "name", FORM_TEXT },
	{ "HOOK", "attach_type", FORM_TEXT },
	{ "ATTACHED", "attached", FORM_TEXT },
	{ "OTHERS", "others", FORM_TEXT },
};

static const struct args_member members[] = { { "--all", "all", ARGS_FLAG } };

/* ---- from the pins ---- */

struct pinned_rows {
	ask_row_fn fn;
	void *ctx;
	bool all;
};

static int on_pinned(void *ctx, const struct cgroup_item *i)
{
	const struct pinned_rows *p = ctx;
	json_t *row = i->has_own || i->depth == 0 || p->all ? rows_cgroup(i) : NULL;
	int r = row ? p->fn(p->ctx, row) : 0;

	json_decref(row);
	return r;
}

/* Rows of the daemon, or of the pins where there is none. */
static int each(struct cli *cli, const struct args *args, ask_row_fn fn, void *ctx,
		bool *ret_from_pins)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	struct ask a = { .command = "cgroup.list", .on_row = fn, .ctx = ctx };
	struct pinned_rows rows = { fn, ctx, args_has(args, "--all") };
	struct diag dead = { 0 };
	json_t *end = NULL;
	int r = args_object(cli, args, members, ARRAY_SIZE(members), &a.args);

	if (r == 0)
		r = ask(cli, &a, &dead, &end);
	json_decref(end);
	if (r != ASK_DEAD)
		return r;
	r = pinned_open(cli, &dead, &in);
	*ret_from_pins = true;
	return r < 0 ? r : pinned_cgroups(cli, in, on_pinned, &rows);
}

/* ---- list ---- */

static int on_row(void *ctx, json_t *row)
{
	return out_list_row(ctx, row);
}

static int do_list(struct cli *cli, const struct args *args)
{
	_cleanup_(out_list_done) struct out_list l = { 0 };
	int r = out_list_begin(cli, &l, columns, ARRAY_SIZE(columns), false);

	if (r == 0)
		r = each(cli, args, on_row, &l, &l.from_pins);
	return r < 0 ? r : out_list_end(&l);
}

/* ---- tree ---- */

static const char *text_of(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

static void put_escaped(const char *before, const char *s)
{
	_cleanup_free_ char *text = text_escaped(slice_str(s));

	(void)printf("%s%s", before, text ? text : "?");
}

#define SHOWN_MAX 64 /* levels; what lies deeper is not indented further */

/* The cgroups that the next one may lie in, outermost first. */
struct tree {
	char *above[SHOWN_MAX];
	size_t n;
};

static void tree_done(struct tree *t)
{
	while (t->n)
		free(t->above[--t->n]);
}

static bool is_below(const char *path, const char *above)
{
	size_t n = strcmp(above, "/") == 0 ? 0 : strlen(above);

	return strncmp(path, above, n) == 0 && path[n] == '/' && path[n + 1];
}

/* What is left of the path below the nearest that was shown: those between are not rows. */
static const char *name_in(struct tree *t, const char *path)
{
	const char *above;

	while (t->n && !is_below(path, t->above[t->n - 1]))
		free(t->above[--t->n]);
	if (!t->n)
		return path;
	above = t->above[t->n - 1];
	return path + (strcmp(above, "/") == 0 ? 0 : strlen(above)) + 1;
}

/* One line: indented below the one it lies in, what its path adds, and what begins there. */
static int on_branch(void *ctx, json_t *row)
{
	const char *path = text_of(row, "cgroup_path"), *workload = text_of(row, "workload");
	struct tree *t = ctx;
	const char *name = name_in(t, path);

	(void)printf("%*s", (int)t->n * 2, "");
	put_escaped("", name);
	if (*workload)
		put_escaped("  workload=", workload);
	if (t->n == 0 || json_is_true(json_object_get(row, "own")))
		(void)printf("  capture=%s egress=%s", text_of(row, "capture"),
			     text_of(row, "egress"));
	(void)printf("  processes=%lld\n",
		     (long long)json_integer_value(json_object_get(row, "processes")));
	if (t->n < SHOWN_MAX) {
		t->above[t->n] = strdup(path);
		t->n += t->above[t->n] != NULL;
	}
	return 0;
}

static int do_tree(struct cli *cli, const struct args *args)
{
	_cleanup_(tree_done) struct tree t = { .n = 0 };
	bool from_pins = false;

	if (cli->format != CLI_PLAIN)
		return do_list(cli, args);
	return each(cli, args, on_branch, &t, &from_pins);
}

/* ---- show ---- */

static int keep(void *ctx, json_t *row)
{
	return json_array_append(ctx, row) < 0 ? -ENOMEM : 0;
}

/* "id name, ..." of the programs of others on the same hook. */
static json_t *others_of(const json_t *row)
{
	const json_t *rivals = json_object_get(row, "rivals");
	json_t *texts = json_array(), *rival;
	size_t i;

	json_array_foreach(rivals, i, rival)(void) json_array_append_new(
		texts,
		json_sprintf("%lld %s", (long long)json_integer_value(json_object_get(rival, "id")),
			     text_of(rival, "name")));
	return texts;
}

static int print_hooks(struct cli *cli, const json_t *rows)
{
	_cleanup_(out_list_done) struct out_list l = { 0 };
	int r = out_list_begin(cli, &l, hooks, ARRAY_SIZE(hooks), false);
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		(void)json_object_set_new(row, "others", others_of(row));
		if (r == 0)
			r = out_list_row(&l, row);
	}
	return r < 0 ? r : out_list_end(&l);
}

/* Below the mount, however it was written. */
static const char *path_below_mount(const char *given)
{
	char mount[256];
	size_t n;

	if (cgroup_mount(mount, sizeof(mount)) < 0)
		return given;
	n = strlen(mount);
	if (strncmp(given, mount, n) == 0 && (given[n] == '/' || given[n] == '\0'))
		return given[n] ? given + n : "/";
	return given;
}

struct pinned_show {
	const struct inspect *in;
	const char *path;
	json_t *rows, *end;
};

static int on_pinned_hook(void *ctx, const struct inspect_hook *h)
{
	return json_array_append_new(ctx, rows_hook(h)) < 0 ? -ENOMEM : 0;
}

static int on_learned(void *ctx, const struct eg_learned_entry *e)
{
	(void)e;
	++*(unsigned *)ctx;
	return 0;
}

static int on_pinned_cgroup(void *ctx, const struct cgroup_item *i)
{
	struct pinned_show *p = ctx;
	unsigned learned = 0;
	char dir[32];

	if (strcmp(i->path, p->path) != 0)
		return 0;
	(void)snprintf(dir, sizeof(dir), "/proc/self/fd/%d", i->fd);
	(void)!inspect_learned(p->in, i->fd, on_learned, &learned);
	p->end = rows_cgroup(i);
	(void)json_object_set_new(p->end, "learned", json_integer(learned));
	(void)json_object_set_new(p->end, "from", json_string("pins"));
	return inspect_hooks(p->in, dir, on_pinned_hook, p->rows);
}

static int show_pinned(struct cli *cli, const char *path, const struct diag *dead, json_t *rows,
		       json_t **ret_end)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	struct pinned_show p = { .path = path, .rows = rows };
	int r = pinned_open(cli, dead, &in);

	p.in = in;
	if (r == 0)
		r = pinned_cgroups(cli, in, on_pinned_cgroup, &p);
	if (r == 0 && !p.end)
		r = cli_fail(cli, "not_found",
			     "%s: egret enforces no cgroup of that path: see `egret cgroup tree "
			     "--all`",
			     path);
	*ret_end = p.end;
	return r;
}

static int do_show(struct cli *cli, const struct args *args)
{
	const char *path = path_below_mount(args_get(args, "CGROUP"));
	json_t *rows = json_array(), *end = NULL;
	struct ask a = { .command = "cgroup.show",
			 .args = json_pack("{ss}", "path", path),
			 .on_row = keep,
			 .ctx = rows };
	struct diag dead = { 0 };
	int r = rows && a.args ? ask(cli, &a, &dead, &end)
			       : cli_usage(cli, "the path is not UTF-8");

	if (r == ASK_DEAD)
		r = show_pinned(cli, path, &dead, rows, &end);
	if (r == 0 && cli->format != CLI_PLAIN) {
		(void)json_object_set(end, "programs", rows);
		r = out_json(cli, end);
	} else if (r == 0) {
		r = out_object(cli, end, fields, ARRAY_SIZE(fields));
		(void)fputc('\n', stdout);
		if (r == 0)
			r = print_hooks(cli, rows);
	}
	json_decref(rows);
	json_decref(end);
	return r;
}

static const struct command commands[] = {
	{ "list", "[--all]",
	  "where a workload or a mode begins; with --all every cgroup that is enforced", do_list },
	{ "tree", "[--all]", "the same as a tree", do_tree },
	{ "show", "CGROUP", "one, by its path, and the programs that enforce it", do_show },
};

const struct object object_cgroup = { "cgroup", "what holds in which cgroup (also without egretd)",
				      commands, ARRAY_SIZE(commands) };
