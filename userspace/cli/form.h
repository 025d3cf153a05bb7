/* SPDX-License-Identifier: Apache-2.0 */
/* How members of a row look in a table or a sheet: a column names the member and its form. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

enum form {
	FORM_TEXT, /* strings, numbers and booleans as they are; arrays with commas; escaped */
	FORM_SOME, /* the same, of a long array its first ones and the number of the others */
	FORM_COUNT, /* a number, right-aligned */
	FORM_TIME, /* *_us since 1970 */
	FORM_DURATION, /* *_us */
	FORM_DURATION_NS,
	FORM_BYTES, /* 312, 4.2K, 1.3M */
	FORM_LABELS, /* {a: b} as a=b,... */
};

struct column {
	const char *title, *key;
	enum form form;
};

/* Appends the member's text; nothing when it is absent or null. */
int form_append(struct buf *out, const json_t *row, const struct column *c) _must_check_;
/* The same as a string; "-" when there is nothing. NULL: out of memory. */
char *form_text(const json_t *row, const struct column *c);
static inline int form_is_right(enum form f)
{
	return f == FORM_COUNT || f == FORM_DURATION || f == FORM_DURATION_NS || f == FORM_BYTES;
}
