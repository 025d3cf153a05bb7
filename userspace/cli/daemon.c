/* SPDX-License-Identifier: Apache-2.0 */
/* egret daemon: stop it, with or without its enforcement; read its files again. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column fields[] = { { "generation", "generation", FORM_COUNT } };
static const struct args_member members[] = { { "--release", "release", ARGS_FLAG } };

static int do_stop(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, members, ARRAY_SIZE(members), &a);

	return r < 0 ? r : ask_object(cli, "daemon.stop", a, NULL, 0);
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
	{ "reload", "",
	  "read configuration, catalogue, policy and credentials again, as SIGHUP does",
	  do_reload },
};

const struct object object_daemon = { "daemon", "egretd itself", commands, ARRAY_SIZE(commands) };
