/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/out.h"

#include <assert.h>
#include <string.h>

#include "cli/text.h"

#define HELD_ROWS 2000 /* of a table: their widths align it; later rows follow those */

static size_t flags(const struct cli *cli)
{
	return JSON_ENSURE_ASCII | JSON_ENCODE_ANY |
	       (cli->format == CLI_PRETTY ? JSON_INDENT(2) : JSON_COMPACT);
}

static int dump(struct cli *cli, const json_t *v, FILE *to, size_t how)
{
	return json_dumpf(v, to, how) < 0 ? cli_fail(cli, "failed", "cannot print the answer") : 0;
}

int out_json(struct cli *cli, const json_t *document)
{
	int r = document ? dump(cli, document, stdout, flags(cli)) : cli_oom(cli);

	if (r == 0)
		(void)fputc('\n', stdout);
	return r;
}

/* ---- lists ---- */

int out_list_begin(struct cli *cli, struct out_list *l, const struct column *columns, size_t n,
		   bool is_stream)
{
	assert(n <= ARRAY_SIZE(l->width));
	*l = (struct out_list){
		.cli = cli, .columns = columns, .n_columns = n, .is_stream = is_stream
	};
	for (size_t i = 0; i < n; i++)
		l->width[i] = strlen(columns[i].title);
	if (cli->format == CLI_PLAIN || is_stream)
		return 0;
	l->json = open_memstream(&l->json_text, &l->json_size);
	return l->json ? 0 : cli_oom(cli);
}

static int json_row(struct out_list *l, const json_t *row)
{
	int r;

	if (l->is_stream) {
		/* One line each also when pretty: a line is what a reader of a stream gets. */
		r = dump(l->cli, row, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
		(void)fputc('\n', stdout);
		(void)fflush(stdout);
		return r;
	}
	(void)fputs(l->n_rows++ ? "," : "[", l->json);
	if (l->cli->format == CLI_PRETTY)
		(void)fputs("\n", l->json);
	return dump(l->cli, row, l->json, flags(l->cli));
}

/* Pads all but the last column; numbers to the right. */
static void print_cell(const struct out_list *l, size_t i, const char *text)
{
	size_t have = text_width(text), pad = l->width[i] > have ? l->width[i] - have : 0;
	bool is_right = form_is_right(l->columns[i].form), is_last = i + 1 == l->n_columns;

	if (is_right)
		(void)printf("%*s", (int)pad, "");
	(void)fputs(text, stdout);
	if (!is_right && !is_last)
		(void)printf("%*s", (int)pad, "");
	(void)fputs(is_last ? "\n" : "  ", stdout);
}

static void print_held(struct out_list *l)
{
	for (size_t i = 0; !l->has_header && i < l->n_columns; i++)
		print_cell(l, i, l->columns[i].title);
	l->has_header = true;
	for (size_t i = 0; i < l->n_rows * l->n_columns; i++) {
		print_cell(l, i % l->n_columns, l->cells[i]);
		free(l->cells[i]);
	}
	l->n_rows = 0;
}

static int make_room(struct out_list *l)
{
	size_t room = l->room ? l->room * 2 : 32;
	char **cells;

	if (l->n_rows < l->room)
		return 0;
	cells = reallocarray(l->cells, room * l->n_columns, sizeof(*cells));
	if (!cells)
		return cli_oom(l->cli);
	l->cells = cells;
	l->room = room;
	return 0;
}

static int table_row(struct out_list *l, const json_t *row)
{
	char **cells;

	if (make_room(l) < 0)
		return -ENOMEM;
	cells = l->cells + l->n_rows * l->n_columns;
	for (size_t i = 0; i < l->n_columns; i++) {
		size_t width;

		cells[i] = form_text(row, &l->columns[i]);
		if (!cells[i]) {
			while (i--)
				free(cells[i]);
			return cli_oom(l->cli);
		}
		width = text_width(cells[i]);
		if (width > l->width[i])
			l->width[i] = width;
	}
	l->n_rows++;
	if (l->n_rows >= HELD_ROWS || l->has_header || l->is_stream)
		print_held(l);
	if (l->is_stream)
		(void)fflush(stdout);
	return 0;
}

int out_list_row(struct out_list *l, json_t *row)
{
	if (!row)
		return cli_oom(l->cli);
	if (l->from_pins)
		(void)json_object_set_new(row, "from", json_string("pins"));
	return l->cli->format == CLI_PLAIN ? table_row(l, row) : json_row(l, row);
}

int out_list_end(struct out_list *l)
{
	if (l->cli->format == CLI_PLAIN) {
		print_held(l);
		return 0;
	}
	if (l->is_stream)
		return 0;
	(void)fputs(l->n_rows == 0 ? "[]" : l->cli->format == CLI_PRETTY ? "\n]" : "]", l->json);
	if (fflush(l->json) != 0)
		return cli_oom(l->cli);
	(void)fwrite(l->json_text, 1, l->json_size, stdout);
	(void)fputc('\n', stdout);
	return 0;
}

void out_list_done(struct out_list *l)
{
	if (l->json)
		(void)fclose(l->json);
	free(l->json_text);
	for (size_t i = 0; l->cells && i < l->n_rows * l->n_columns; i++)
		free(l->cells[i]);
	free(l->cells);
	*l = (struct out_list){ 0 };
}

/* ---- objects ---- */

static const struct column *find_field(const struct column *fields, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	return NULL;
}

static int print_field(struct cli *cli, const json_t *object, const struct column *c, size_t width)
{
	_cleanup_free_ char *text = form_text(object, c);

	if (!text)
		return cli_oom(cli);
	(void)printf("%-*s  %s\n", (int)width, c->title, text);
	return 0;
}

static bool is_shown(const json_t *v)
{
	return v && !json_is_null(v) && !(json_is_array(v) && json_array_size(v) == 0) &&
	       !(json_is_object(v) && json_object_size(v) == 0);
}

static int print_sheet(struct cli *cli, const json_t *object, const struct column *fields, size_t n)
{
	size_t width = 0;
	const char *key;
	json_t *v;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		const struct column *c = find_field(fields, n, key);

		if (is_shown(v) && strlen(c ? c->title : key) > width)
			width = strlen(c ? c->title : key);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		if (is_shown(json_object_get(object, fields[i].key)))
			r = print_field(cli, object, &fields[i], width);
	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		struct column c = { key, key, FORM_TEXT };

		if (r == 0 && is_shown(v) && !find_field(fields, n, key))
			r = print_field(cli, object, &c, width);
	}
	return r;
}

int out_object(struct cli *cli, const json_t *object, const struct column *fields, size_t n)
{
	return cli->format == CLI_PLAIN ? print_sheet(cli, object, fields, n)
					: out_json(cli, object);
}
