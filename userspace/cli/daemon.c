/* SPDX-License-Identifier: Apache-2.0 */
/* egret daemon: stop it, with or without its enforcement; read its files again. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column fields[] = { { "generation", "generation", FORM_COUNT } };
static const struct args_member paths[] = { { "PATH", "path", ARGS_TEXT } };
static const struct column upgraded[] = { { "version", "version", FORM_TEXT },
					  { "generation", "generation", FORM_COUNT } };
static const struct args_member members[] = { { "--release", "release", ARGS_FLAG } };

static int do_stop(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, members, ARRAY_SIZE(members), &a);

	return r < 0 ? r : ask_object(cli, "daemon.stop", a, NULL, 0);
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
	  "enforcement away",
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
