/* SPDX-License-Identifier: Apache-2.0 */
/* What is generated from the tables for files: sections of egret(8), the completion's table. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/help.h"
#include "cli/objects.h"
#include "egret/reasons.h"

/* Oo and Oc, not Op, which would take in the rest of the line. */
static void print_word(const struct args_word *w)
{
	(void)printf(w->is_optional ? " Oo" : "");
	if (w->is_option || w->is_rest)
		(void)printf(" Fl %.*s", (int)w->n - 1, w->p + 1);
	if (w->value.n)
		(void)printf(" Ar %.*s%s", (int)w->value.n, w->value.p, w->is_rest ? " ..." : "");
	if (!w->is_option && !w->is_rest)
		(void)printf(" Ar %.*s%s", (int)w->n, w->p, w->is_many ? " ..." : "");
	(void)printf(w->is_optional ? " Oc" : "");
}

/* A phrase of a table as a sentence. */
static void print_sentence(const char *text)
{
	(void)printf("%c%s.\n", *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text, text + 1);
}

static void print_item(const struct object *o, const struct command *c)
{
	struct args args;

	(void)printf(".It Nm Cm %s%s%s", o->name, c->name ? " " : "", c->name ? c->name : "");
	args_words(c->args, &args);
	for (size_t i = 0; i < args.n_words; i++)
		print_word(&args.words[i]);
	(void)fputc('\n', stdout);
	print_sentence(c->help);
}

int manual_commands(struct cli *cli)
{
	(void)cli;
	for (size_t i = 0; i < cli_n_objects; i++) {
		const struct object *o = cli_objects[i];

		(void)printf(".Ss %s\n", o->name);
		if (o->commands[0].name)
			print_sentence(o->help);
		(void)fputs(".Bl -tag -width Ds\n", stdout);
		for (size_t k = 0; k < o->n_commands; k++)
			print_item(o, &o->commands[k]);
		(void)fputs(".El\n", stdout);
	}
	return 0;
}

static const struct {
	const char *name, *text;
	unsigned status, error;
} reasons[] = {
#define X(name, status, error, text) { #name, text, status, error },
	EG_REASONS(X)
#undef X
};

int manual_reasons(struct cli *cli)
{
	(void)cli;
	(void)fputs(".Bl -tag -width Ds\n", stdout);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		(void)printf(".It Li %s\n%s", reasons[i].name, reasons[i].text);
		if (reasons[i].status)
			(void)printf(" (HTTP %u)", reasons[i].status);
		if (reasons[i].error)
			(void)printf(" (errno %u)", reasons[i].error);
		(void)fputs(".\n", stdout);
	}
	(void)fputs(".El\n", stdout);
	return 0;
}

/* One line a command: "OBJECT COMMAND" and its words, options with "=PLACEHOLDER". */
static void print_table_row(const struct object *o, const struct command *c)
{
	struct args args;

	(void)printf("\t['%s%s%s']='", o->name, c->name ? " " : "", c->name ? c->name : "");
	args_words(c->args, &args);
	for (size_t i = 0; i < args.n_words; i++) {
		const struct args_word *w = &args.words[i];

		(void)printf("%s%.*s", i ? " " : "", (int)w->n, w->p);
		if (w->value.n && !w->is_rest)
			(void)printf("=%.*s", (int)w->value.n, w->value.p);
	}
	(void)fputs("'\n", stdout);
}

int manual_completion(struct cli *cli)
{
	(void)cli;
	(void)fputs("declare -gA _egret_commands=(\n", stdout);
	for (size_t i = 0; i < cli_n_objects; i++) {
		const struct object *o = cli_objects[i];

		(void)printf("\t['%s']='", o->name);
		for (size_t k = 0; o->commands[0].name && k < o->n_commands; k++)
			(void)printf("%s ", o->commands[k].name);
		(void)fputs(o->commands[0].name ? "help'\n" : "'\n", stdout);
	}
	(void)fputs(")\ndeclare -gA _egret_args=(\n", stdout);
	for (size_t i = 0; i < cli_n_objects; i++)
		for (size_t k = 0; k < cli_objects[i]->n_commands; k++)
			print_table_row(cli_objects[i], &cli_objects[i]->commands[k]);
	(void)fputs(")\n", stdout);
	return 0;
}
