/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON objects into a buffer: members in order, nothing kept in between. Values come from
 * workloads, so any byte is taken: control characters are escaped, what is not UTF-8 becomes
 * U+FFFD. Errors stick: check json_out_error() once, at the end of a line.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct json_out {
	struct buf *to;
	int error;
	bool first; /* no comma before the next member */
};

/* key NULL: the outermost object. */
void json_out_open(struct json_out *o, const char *key);
void json_out_close(struct json_out *o);
void json_out_text(struct json_out *o, const char *key, struct slice value);
void json_out_number(struct json_out *o, const char *key, int64_t value);
void json_out_true(struct json_out *o, const char *key);
/* Lower-case hex digits of n <= 32 bytes. */
void json_out_hex(struct json_out *o, const char *key, const void *p, size_t n);
void json_out_newline(struct json_out *o);
