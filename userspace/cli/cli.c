/* SPDX-License-Identifier: Apache-2.0 */
/* Failures of commands: noted once where they are known, printed once at the end. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"

#define MESSAGE_MAX 1024

static int note(struct cli *cli, int status, json_t *error)
{
	if (cli->error) {
		json_decref(error);
		return -EIO;
	}
	cli->error = error;
	cli->status = status;
	return -EIO;
}

static json_t *make_error(const char *reason, const char *fmt, va_list ap) _printf_(2, 0);
static json_t *make_error(const char *reason, const char *fmt, va_list ap)
{
	char text[MESSAGE_MAX];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	return json_pack("{ss so}", "reason", reason, "message", text_json(slice_str(text)));
}

int cli_fail(struct cli *cli, const char *reason, const char *fmt, ...)
{
	json_t *error;
	va_list ap;

	va_start(ap, fmt);
	error = make_error(reason, fmt, ap);
	va_end(ap);
	return note(cli, CLI_FAILED, error);
}

int cli_usage(struct cli *cli, const char *fmt, ...)
{
	json_t *error;
	va_list ap;

	va_start(ap, fmt);
	error = make_error("usage", fmt, ap);
	va_end(ap);
	return note(cli, CLI_USAGE, error);
}

int cli_fail_diag(struct cli *cli, const char *reason, const struct diag *d)
{
	json_t *e =
		json_pack("{ss so}", "reason", reason, "message", text_json(slice_str(d->text)));

	if (e && d->file[0])
		(void)json_object_set_new(e, "file", text_json(slice_str(d->file)));
	if (e && d->line) {
		(void)json_object_set_new(e, "line", json_integer(d->line));
		(void)json_object_set_new(e, "col", json_integer(d->col));
	}
	return note(cli, CLI_FAILED, e);
}

int cli_fail_error(struct cli *cli, json_t *error)
{
	const char *reason = json_string_value(json_object_get(error, "reason"));
	bool is_usage = reason && strcmp(reason, "bad_request") == 0;

	return note(cli, is_usage ? CLI_USAGE : CLI_FAILED, error);
}

int cli_oom(struct cli *cli)
{
	return cli_fail(cli, "failed", "out of memory");
}

static void print_prefix(const struct cli *cli)
{
	(void)fputs("egret: ", stderr);
	if (!cli->object || !cli->command)
		return;
	(void)fprintf(stderr, cli->command->name ? "%s %s: " : "%s: ", cli->object->name,
		      cli->command->name);
}

static void print_escaped(const char *s)
{
	_cleanup_free_ char *text = text_escaped(slice_str(s ? s : ""));

	(void)fputs(text ? text : "(out of memory)", stderr);
}

/* One line: whoever wrote the message may have had newlines in it, escaping takes them out. */
static void print_plain(const struct cli *cli)
{
	const char *message = json_string_value(json_object_get(cli->error, "message"));
	const char *file = json_string_value(json_object_get(cli->error, "file"));
	json_int_t line = json_integer_value(json_object_get(cli->error, "line"));

	print_prefix(cli);
	if (file) {
		print_escaped(file);
		if (line)
			(void)fprintf(
				stderr, ":%lld:%lld", (long long)line,
				(long long)json_integer_value(json_object_get(cli->error, "col")));
		(void)fputs(": ", stderr);
	}
	print_escaped(message ? message : "out of memory");
	(void)fputc('\n', stderr);
}

int cli_report(struct cli *cli)
{
	json_t *document;

	/* Usage errors are for whoever typed the command, whatever the format. */
	if (cli->format == CLI_PLAIN || cli->status == CLI_USAGE || !cli->error)
		print_plain(cli);
	if (cli->format != CLI_PLAIN && cli->error) {
		document = json_pack("{sO}", "error", cli->error);
		(void)json_dumpf(document, stdout,
				 JSON_ENSURE_ASCII | (cli->format == CLI_PRETTY ? JSON_INDENT(2)
										: JSON_COMPACT));
		(void)fputc('\n', stdout);
		json_decref(document);
	}
	json_decref(cli->error);
	cli->error = NULL;
	return cli->status ? cli->status : CLI_FAILED;
}

void cli_note(const struct cli *cli, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_prefix(cli);
	print_escaped(text);
	(void)fputc('\n', stderr);
}

bool cli_path(const struct cli *cli, const char *name, char *to, size_t size)
{
	int n = snprintf(to, size, "%s/%s", cli->run_dir, name);

	return n > 0 && (size_t)n < size;
}

const struct object *cli_find_object(const char *name)
{
	for (size_t i = 0; i < cli_n_objects; i++)
		if (strcmp(cli_objects[i]->name, name) == 0)
			return cli_objects[i];
	return NULL;
}

const struct command *cli_find_command(const struct object *o, const char *name)
{
	for (size_t i = 0; i < o->n_commands; i++)
		if (o->commands[i].name && name && strcmp(o->commands[i].name, name) == 0)
			return &o->commands[i];
	return NULL;
}
