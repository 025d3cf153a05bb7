/* SPDX-License-Identifier: Apache-2.0 */
/* egret log: how much the daemon says. */
#include "base/log.h"
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column fields[] = { { "level", "level", FORM_TEXT } };
static const struct args_member members[] = { { "LEVEL", "level", ARGS_TEXT } };

static int do_level(struct cli *cli, const struct args *args)
{
	const char *level = args_get(args, "LEVEL");
	enum log_level known;
	json_t *a = NULL;
	int r;

	if (level && !log_level_of(level, &known))
		return cli_usage(cli, "\"%s\" is no level: it is error, warn, info or debug",
				 level);
	r = args_object(cli, args, members, ARRAY_SIZE(members), &a);
	return r < 0 ? r : ask_object(cli, "log.level", a, fields, ARRAY_SIZE(fields));
}

static const struct command commands[] = {
	{ "level", "[LEVEL]",
	  "show the level, or set it (error, warn, info or debug) until egretd reloads, is "
	  "upgraded or starts again: log.level of egret.json lasts",
	  do_level },
};

const struct object object_log = { "log", "how much egretd writes to its log", commands,
				   ARRAY_SIZE(commands) };
