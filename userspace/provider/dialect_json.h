/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the JSON of errors; the dialects themselves. Included by dialect*.c alone. */
#pragma once

#include "provider/dialect.h"

extern const struct dialect dialect_openai;
extern const struct dialect dialect_anthropic;
extern const struct dialect dialect_generic;

/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
int dialect_json_string(struct buf *out, struct slice s) _must_check_;
/* Copies `format`, with the next of `values` as a JSON string for every '$'. */
int dialect_json_format(struct buf *out, const char *format,
			const struct slice *values) _must_check_;
