/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that others chose, for a terminal: a process's name, a path, a host, a model. What could
 * move the cursor, change colours, reorder or hide text is shown as an escape instead, and an
 * escape can be told from the same characters in the text (the backslash is escaped too).
 */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/slice.h"

/* Appends s escaped: \n \t \\ \xNN for bytes that are not UTF-8 or C0/DEL, \u{N} for the others. */
int text_escape(struct buf *out, struct slice s) _must_check_;
/* The same as a new string; NULL: out of memory. */
char *text_escaped(struct slice s);
/* Terminal columns of an escaped text, one a code point. */
size_t text_width(const char *s);
/* A JSON string of bytes that may not be UTF-8 (those become U+FFFD); NULL: out of memory. */
json_t *text_json(struct slice s);
