/* SPDX-License-Identifier: Apache-2.0 */
/* egret version: of this command; the daemon's own is in `egret status`. */
#include <stdio.h>

#include "cli/objects.h"
#include "cli/out.h"
#include "egret/abi.h"

static int do_version(struct cli *cli, const struct args *args)
{
	json_t *v;
	int r;

	(void)args;
	if (cli->format == CLI_PLAIN) {
		(void)printf("egret %s\n", EGRET_VERSION);
		return 0;
	}
	v = json_pack("{ss si}", "version", EGRET_VERSION, "abi", EG_ABI_VERSION);
	r = out_json(cli, v);
	json_decref(v);
	return r;
}

static const struct command commands[] = {
	{ NULL, "", "the version of this command", do_version },
};

const struct object object_version = { "version", "the version of this command", commands,
				       ARRAY_SIZE(commands) };
