/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egret run: this process asks the daemon to make it a workload (the daemon moves it into a cgroup
 * of its own), dresses its environment and becomes the command. Nothing of egret stays behind.
 */
#include <string.h>

#include "cli/ask.h"
#include "cli/environment.h"
#include "cli/objects.h"

/* As env(1) and the shells: the command was there but could not be run, or was not there. */
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND	127

static const struct args_member members[] = { { "--workload", "workload", ARGS_TEXT } };

static int set_environment(struct cli *cli, const json_t *end, bool keep_keys)
{
	const char *cert = json_string_value(json_object_get(end, "ca_cert"));
	const char *bundle = json_string_value(json_object_get(end, "ca_bundle"));
	int r;

	if (!cert || !bundle)
		return cli_fail(cli, "unavailable",
				"egretd named no CA certificate and bundle: see `egret check`");
	r = environment_set_trust(cert, bundle);
	if (r == 0)
		r = environment_set_keys(json_object_get(end, "env"), keep_keys);
	if (r < 0)
		return cli_fail(cli, "failed", "cannot set the environment: %s", strerror(-r));
	return 0;
}

static int become(struct cli *cli, char **argv)
{
	int error;

	(void)execvp(argv[0], argv);
	error = errno;
	(void)cli_fail(cli, "failed", "cannot run %s: %s", argv[0], strerror(error));
	cli->status = error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	return -error;
}

static int do_run(struct cli *cli, const struct args *args)
{
	struct ask a = { .command = "run" };
	json_t *end = NULL;
	int r = args_object(cli, args, members, ARRAY_SIZE(members), &a.args);

	if (r == 0)
		r = ask(cli, &a, NULL, &end);
	if (r == 0)
		r = set_environment(cli, end, args_has(args, "--keep-env"));
	json_decref(end);
	return r < 0 ? r : become(cli, args_rest(args, "--"));
}

static const struct command commands[] = {
	{ NULL, "[--workload WORKLOAD] [--keep-env] -- COMMAND...",
	  "run a command as a workload: in a cgroup of its own, trusting egret's CA, with "
	  "placeholders in place of keys",
	  do_run },
};

const struct object object_run = { "run", "run a command as a workload", commands,
				   ARRAY_SIZE(commands) };
