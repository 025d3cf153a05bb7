/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as CSV (RFC 4180), for spreadsheets: numbers stay raw, texts are quoted. */
#pragma once

#include <stdio.h>

#include "base/json.h"
#include "cli/form.h"

void csv_header(FILE *to, const struct column *columns, size_t n);
/* A text that a spreadsheet would take for a formula gets an apostrophe in front: workloads choose
 * some of them. -ENOMEM. */
int csv_row(FILE *to, const json_t *row, const struct column *columns, size_t n) _must_check_;
