/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/objects.h"
#include "cli/out.h"

static const char *name_of(const struct command *c)
{
	return c->name ? c->name : "";
}

static size_t synopsis_width(const struct object *o, const struct command *c)
{
	return strlen(o->name) + strlen(name_of(c)) + strlen(c->args) + 2;
}

static void print_command(const struct object *o, const struct command *c, size_t width)
{
	(void)printf("  egret %s%s%s%s%s", o->name, c->name ? " " : "", name_of(c),
		     *c->args ? " " : "", c->args);
	/* Long ones get their text below, so that one synopsis does not push all others. */
	if (width)
		(void)printf(
			"%*s",
			(int)(width > synopsis_width(o, c) ? width - synopsis_width(o, c) + 2 : 2),
			"");
	else
		(void)printf("\n      ");
	(void)printf("%s\n", c->help);
}

static void print_object(const struct object *o)
{
	(void)printf("%s: %s\n\n", o->name, o->help);
	for (size_t i = 0; i < o->n_commands; i++)
		print_command(o, &o->commands[i], 0);
}

static void print_options(void)
{
	(void)fputs(
		"\noptions:\n"
		"  -j, --json     one JSON document; of tail, watch and export, an object a line\n"
		"  -p, --pretty   the same, indented; what is an object a line stays so\n"
		"  --run-dir DIR  of another egretd than /run/egret's; also: EGRET_RUN_DIR\n"
		"  -h, --help     of what is named\n"
		"  -V, --version\n"
		"\nexit status: 0 done, 1 failed, 2 called wrongly; `egret run` that of the "
		"command\n",
		stdout);
}

static void print_all(void)
{
	(void)fputs("usage: egret [-j|-p] [--run-dir DIR] OBJECT COMMAND [ARGS]\n\nobjects:\n",
		    stdout);
	for (size_t i = 0; i < cli_n_objects; i++) {
		const struct object *o = cli_objects[i];

		(void)printf("  %-11s %s\n", o->name, o->help);
		for (size_t k = 0; o->commands[0].name && k < o->n_commands; k++)
			(void)printf("%s%s", k ? " | " : "                ", o->commands[k].name);
		if (o->commands[0].name)
			(void)fputc('\n', stdout);
	}
	print_options();
}

static int print_json(struct cli *cli, const struct object *o, const struct command *c)
{
	json_t *all = json_array();
	int r;

	for (size_t i = 0; i < cli_n_objects; i++)
		for (size_t k = 0; k < cli_objects[i]->n_commands; k++) {
			const struct command *this = &cli_objects[i]->commands[k];

			if ((o && o != cli_objects[i]) || (c && c != this))
				continue;
			(void)json_array_append_new(all, json_pack("{ss ss* ss ss}", "object",
								   cli_objects[i]->name, "command",
								   this->name, "args", this->args,
								   "help", this->help));
		}
	r = out_json(cli, all);
	json_decref(all);
	return r;
}

int help_print(struct cli *cli, const struct object *o, const struct command *c)
{
	if (cli->format != CLI_PLAIN)
		return print_json(cli, o, c);
	if (c)
		print_command(o, c, 0);
	else if (o)
		print_object(o);
	else
		print_all();
	return 0;
}

int help_usage_commands(struct cli *cli, const struct object *o, const char *word)
{
	char names[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < o->n_commands; i++) {
		int more = snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "",
				    o->commands[i].name);

		n += more > 0 && (size_t)more < sizeof(names) - n ? (size_t)more : 0;
	}
	if (!word)
		return cli_usage(cli, "%s: no command is given: they are %s", o->name, names);
	return cli_usage(cli, "%s has no command \"%s\": they are %s", o->name, word, names);
}

/* ---- the object `help` ---- */

static int do_help(struct cli *cli, const struct args *args)
{
	const char *object = args_get(args, "OBJECT"), *command = args_get(args, "COMMAND");
	const struct object *o = NULL;
	const struct command *c = NULL;

	if (args_has(args, "--man"))
		return manual_commands(cli);
	if (args_has(args, "--reasons"))
		return manual_reasons(cli);
	if (args_has(args, "--completion"))
		return manual_completion(cli);
	if (object) {
		o = cli_find_object(object);
		if (!o)
			return cli_usage(cli, "there is no object \"%s\": try `egret help`",
					 object);
	}
	if (command) {
		c = cli_find_command(o, command);
		if (!c)
			return help_usage_commands(cli, o, command);
	}
	return help_print(cli, o, c);
}

static const struct command commands[] = {
	{ NULL, "[OBJECT] [COMMAND] [--man] [--reasons] [--completion]",
	  "what there is; or the parts of the man page and of the completion", do_help },
};

const struct object object_help = { "help", "what can be asked and how", commands,
				    ARRAY_SIZE(commands) };
