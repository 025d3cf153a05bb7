/* SPDX-License-Identifier: Apache-2.0 */
/* egret daemon: stop it, with or without its enforcement; read its files again. */
#include <unistd.h>

#include "cli/ask.h"
#include "cli/objects.h"
#include "dataplane/dataplane.h"

static const struct column fields[] = { { "generation", "generation", FORM_COUNT } };
static const struct args_member paths[] = { { "PATH", "path", ARGS_TEXT } };
static const struct column upgraded[] = { { "version", "version", FORM_TEXT },
					  { "generation", "generation", FORM_COUNT } };
static const struct args_member members[] = { { "--release", "release", ARGS_FLAG } };

/* What a daemon that is no more has left goes on refusing, and somebody must be able to end that.
 */
static int release_left(struct cli *cli)
{
	struct diag d = { 0 };
	char dir[256];
	json_t *end;
	int r;

	if (!cli_path(cli, "bpf", dir, sizeof(dir)))
		return cli_usage(cli, "--run-dir: the path is too long");
	if (geteuid() != 0)
		return cli_fail(
			cli, "not_allowed",
			"egretd is not running; what it left in %s only root can take away: "
			"run it as root",
			dir);
	r = dataplane_release_left(dir, &d);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return cli_fail_diag(cli, "failed", &d);
	cli_note(cli, "egretd is not running; %s %s%s",
		 r < 0 ? "it has left nothing in" : "what it left in", dir,
		 r < 0 ? "" : " has been taken away: nothing is enforced now");
	end = json_pack("{sb}", "released", r == 0);
	r = end ? out_object(cli, end, NULL, 0) : cli_oom(cli);
	json_decref(end);
	return r;
}

static int do_stop(struct cli *cli, const struct args *args)
{
	struct ask a = { .command = "daemon.stop" };
	bool release = args_has(args, "--release");
	struct diag dead = { 0 };
	json_t *end = NULL;
	int r = args_object(cli, args, members, ARRAY_SIZE(members), &a.args);

	if (r == 0)
		r = ask(cli, &a, release ? &dead : NULL, &end);
	if (r == ASK_DEAD)
		return release_left(cli);
	if (r == 0)
		r = out_object(cli, end, NULL, 0);
	json_decref(end);
	return r;
}

static int do_upgrade(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, paths, ARRAY_SIZE(paths), &a);

	return r < 0 ? r : ask_object(cli, "daemon.upgrade", a, upgraded, ARRAY_SIZE(upgraded));
}

static int do_reload(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_object(cli, "daemon.reload", NULL, fields, ARRAY_SIZE(fields));
}

static const struct command commands[] = {
	{ "stop", "[--release]",
	  "stop egretd; governed traffic is refused until it runs again, unless --release takes "
	  "enforcement away, also that of an egretd that is no more",
	  do_stop },
	{ "upgrade", "[PATH]",
	  "go on as another binary (PATH; else the file that egretd was started from), without "
	  "refusing "
	  "a connection or cutting a stream",
	  do_upgrade },
	{ "reload", "",
	  "read configuration, catalogue, policy and credentials again, as SIGHUP does",
	  do_reload },
};

const struct object object_daemon = { "daemon", "egretd itself", commands, ARRAY_SIZE(commands) };
