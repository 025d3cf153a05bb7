/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command's answer in the format asked for: a list (JSON array, aligned table), a stream (JSON
 * lines, table as it comes) or one object (JSON object, sheet of names and values). A list is held
 * back until its end is known, so that an answer that breaks off is an error and no half document.
 */
#pragma once

#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/form.h"

struct out_list {
	struct cli *cli;
	const struct column *columns;
	size_t n_columns;
	bool is_stream, from_pins;
	/* JSON: the array's text so far */
	FILE *json;
	char *json_text;
	size_t json_size;
	/* plain: cells of rows not printed yet */
	char **cells;
	size_t n_rows, room; /* in rows */
	bool has_header;
	size_t width[24];
};

/* Zero-initialise with = { 0 } and release with _cleanup_(out_list_done) around these. */
int out_list_begin(struct cli *cli, struct out_list *l, const struct column *columns, size_t n,
		   bool is_stream) _must_check_;
/* Borrows the row. Negative: noted. */
int out_list_row(struct out_list *l, json_t *row) _must_check_;
int out_list_end(struct out_list *l) _must_check_;
void out_list_done(struct out_list *l);

/* Borrows the object; `fields` orders the sheet, members it does not name come after. */
int out_object(struct cli *cli, const json_t *object, const struct column *fields,
	       size_t n) _must_check_;
/* A document of any shape, for JSON formats only. */
int out_json(struct cli *cli, const json_t *document) _must_check_;
