/* SPDX-License-Identifier: Apache-2.0 */
/* egret check: what is wrong on this host, and what to do about it. */
#include "cli/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/objects.h"
#include "cli/pinned.h"
#include "cli/text.h"

#define TEXT_MAX 1024

static const char *const states[] = { "ok", "warn", "fail" };

static const struct column columns[] = { { "STATE", "state", FORM_TEXT } };

static int print_row(struct check *c, const char *state, const char *name, const char *text,
		     const char *advice)
{
	_cleanup_free_ char *n = text_escaped(slice_str(name)), *t = text_escaped(slice_str(text)),
			    *a = text_escaped(slice_str(advice ? advice : ""));

	if (!n || !t || !a)
		return cli_oom(c->cli);
	(void)printf("%-4s  %-20s  %s\n", state, n, t);
	if (*a)
		(void)printf("%-4s  %-20s  -> %s\n", "", "", a);
	return 0;
}

static int add_row(struct check *c, const char *state, const char *name, const char *text,
		   const char *advice)
{
	json_t *row;
	int r;

	c->has_failed |= strcmp(state, "fail") == 0;
	if (c->cli->format == CLI_PLAIN)
		return print_row(c, state, name, text, advice);
	row = json_pack("{so ss so}", "name", text_json(slice_str(name)), "state", state, "text",
			text_json(slice_str(text)));
	if (row && advice)
		(void)json_object_set_new(row, "advice", text_json(slice_str(advice)));
	r = out_list_row(&c->list, row);
	json_decref(row);
	return r;
}

int check_row(struct check *c, const char *name, enum check_state state, const char *advice,
	      const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return add_row(c, states[state], name, text, advice);
}

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* A row of the daemon's own; a state it should not have is a failure. */
static int on_daemon_row(void *ctx, json_t *row)
{
	const char *name = text_of(row, "name"), *state = text_of(row, "state"),
		   *text = text_of(row, "text");
	bool is_known = false;

	for (size_t i = 0; state && i < ARRAY_SIZE(states); i++)
		is_known |= strcmp(state, states[i]) == 0;
	return add_row(ctx, is_known ? state : "fail", name ? name : "?", text ? text : "",
		       text_of(row, "advice"));
}

/* A failure to ask is a finding here, not the end of the command. Who may not ask has found nothing
 * wrong. */
static int absorb(struct check *c, const char *name)
{
	_cleanup_free_ char *message = NULL;
	const char *text = text_of(c->cli->error, "message"),
		   *reason = text_of(c->cli->error, "reason");
	enum check_state state = CHECK_FAIL;

	if (reason && strcmp(reason, "not_allowed") == 0) {
		c->may_not_ask = true;
		state = CHECK_WARN;
	}
	message = strdup(text ? text : "cannot ask egretd");
	json_decref(c->cli->error);
	c->cli->error = NULL;
	c->cli->status = 0;
	return message ? check_row(c, name, state, NULL, "%s", message) : cli_oom(c->cli);
}

/* While names are resolved, those that are known are served. */
static bool is_up(const char *phase)
{
	return phase && (strcmp(phase, "serving") == 0 || strcmp(phase, "resolving") == 0);
}

/* Whether a daemon that is no more still enforces: as far as this user can see. */
static const char *while_dead(const struct check *c)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	struct diag d = { 0 };
	char dir[256];
	int r = cli_path(c->cli, "bpf", dir, sizeof(dir)) ? inspect_open(dir, &d, &in) : -EINVAL;

	if (r == 0)
		return "governed traffic of enforced cgroups is refused meanwhile; `egret daemon "
		       "stop --release` would end that";
	return r == -ENOENT ? "nothing is enforced until it runs"
			    : "run `egret check` as root to see "
			      "whether anything is enforced";
}

int check_daemon(struct check *c)
{
	struct ask status = { .command = "status" },
		   checks = { .command = "check", .on_row = on_daemon_row, .ctx = c };
	struct diag dead = { 0 };
	const char *cgroup, *phase;
	json_t *end = NULL;
	int r = ask(c->cli, &status, &dead, &end);

	if (r == ASK_DEAD)
		return check_row(c, "daemon", CHECK_FAIL, while_dead(c), "%s", dead.text);
	if (r < 0)
		return absorb(c, "daemon");
	c->has_daemon = true;
	cgroup = text_of(end, "cgroup");
	phase = text_of(end, "phase");
	(void)slice_copy(slice_str(cgroup), c->cgroup, sizeof(c->cgroup));
	c->daemon_pid = json_integer_value(json_object_get(end, "pid"));
	r = check_row(c, "daemon", is_up(phase) ? CHECK_OK : CHECK_WARN,
		      is_up(phase) ? NULL : "wait a moment, and look again",
		      "egretd %s, pid %lld, %s",
		      text_of(end, "version") ? text_of(end, "version") : "?", c->daemon_pid,
		      phase ? phase : "?");
	json_decref(end);
	end = NULL;
	if (r == 0 && ask(c->cli, &checks, NULL, &end) < 0)
		r = absorb(c, "daemon checks");
	json_decref(end);
	return r;
}

static int do_check(struct cli *cli, const struct args *args)
{
	static int (*const groups[])(struct check *) = { check_kernel, check_daemon, check_hooks,
							 check_listeners, check_trust };
	struct check c = { .cli = cli };
	int r;

	if (args_has(args, "--attack"))
		return check_attack(cli, args_get(args, "--workload"));
	if (args_has(args, "--workload"))
		return cli_usage(cli, "--workload goes with --attack");
	r = out_list_begin(cli, &c.list, columns, ARRAY_SIZE(columns), false);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(groups); i++)
		r = groups[i](&c);
	if (r == 0 && cli->format != CLI_PLAIN)
		r = out_list_end(&c.list);
	out_list_done(&c.list);
	return r < 0 ? r : c.has_failed;
}

static const struct command commands[] = {
	{ NULL, "[--attack] [--workload WORKLOAD]",
	  "look at everything egret needs here, or with --attack try to get around it, as a "
	  "workload "
	  "would; exit status 1 when something fails or passes",
	  do_check },
};

const struct object object_check = { "check", "what is wrong on this host, and what to do",
				     commands, ARRAY_SIZE(commands) };
