/* SPDX-License-Identifier: Apache-2.0 */
/* egret: options, object, command; then the command's function. See cli.h. */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/help.h"
#include "cli/objects.h"
#include "egret/names.h"

/* What the options before, among and after the words ask for. */
struct options {
	bool help, version;
};

static bool is(const char *word, const char *brief, const char *full)
{
	return strcmp(word, brief) == 0 || strcmp(word, full) == 0;
}

/* Takes the options out of argv, up to "--"; the words stay in order. */
static int take_options(struct cli *cli, char **argv, struct options *o)
{
	char **to = argv, **from = argv;

	for (; *from && strcmp(*from, "--") != 0; from++) {
		if (is(*from, "-j", "--json")) {
			cli->format = cli->format == CLI_PLAIN ? CLI_JSON : cli->format;
		} else if (is(*from, "-p", "--pretty")) {
			cli->format = CLI_PRETTY;
		} else if (is(*from, "-h", "--help")) {
			o->help = true;
		} else if (is(*from, "-V", "--version")) {
			o->version = true;
		} else if (strcmp(*from, "--run-dir") == 0) {
			if (!*++from)
				return cli_usage(cli, "--run-dir needs a directory");
			cli->run_dir = *from;
		} else if (strncmp(*from, "--run-dir=", 10) == 0) {
			cli->run_dir = *from + 10;
		} else {
			*to++ = *from;
		}
	}
	while (*from)
		*to++ = *from++;
	*to = NULL;
	return 0;
}

static int find_words(struct cli *cli, char ***argv)
{
	const char *word = **argv;
	const struct object *o;

	if (!word)
		return cli_usage(cli, "no object is given: try `egret help`");
	o = cli_find_object(word);
	if (!o)
		return cli_usage(cli, "there is no object \"%s\": try `egret help`", word);
	cli->object = o;
	(*argv)++;
	word = **argv;
	if (!o->commands[0].name) {
		if (o != &object_help && word && strcmp(word, "help") == 0)
			(*argv)++;
		else
			cli->command = &o->commands[0];
		return 0;
	}
	if (!word)
		return help_usage_commands(cli, o, NULL);
	cli->command = cli_find_command(o, word);
	if (cli->command || strcmp(word, "help") == 0) {
		(*argv)++;
		return 0;
	}
	return help_usage_commands(cli, o, word);
}

static int run(struct cli *cli, char **argv)
{
	struct options o = { 0 };
	struct args args;
	int r = take_options(cli, argv, &o);

	if (r < 0)
		return r;
	if (o.version)
		return object_version.commands[0].run(cli, NULL);
	if (o.help && !*argv)
		return help_print(cli, NULL, NULL);
	r = find_words(cli, &argv);
	if (o.help && cli->object)
		return help_print(cli, cli->object, cli->command);
	if (r < 0)
		return r;
	if (!cli->command) /* egret OBJECT help */
		return *argv ? cli_usage(cli, "%s is one argument too many: egret %s help", *argv,
					 cli->object->name)
			     : help_print(cli, cli->object, NULL);
	r = args_parse(cli, cli->command->args, argv, &args);
	return r < 0 ? r : cli->command->run(cli, &args);
}

int main(int argc, char **argv)
{
	const char *run_dir = getenv("EGRET_RUN_DIR");
	struct cli cli = { .run_dir = run_dir && *run_dir ? run_dir : EG_RUN_DIR };
	int status = argc ? run(&cli, argv + 1) : cli_usage(&cli, "called without its own name");

	if (status < 0)
		status = cli_report(&cli);
	json_decref(cli.error);
	cli.error = NULL;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "egret: cannot write the output: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	return status;
}
