/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON for what people and egret's own processes write (configuration, policy, catalogue,
 * control messages), on jansson: the only place that includes it; users take json_t from here.
 * Duplicate keys are refused, and nesting deeper than 64. Documents may have // and block comments
 * and know the place of every value, so that an error found later still names line and column.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/slice.h"

struct json_doc;

/* `file` names the text in diagnostics. -EINVAL with diag filled, -EMSGSIZE (diag too), -ENOMEM. */
int json_doc_parse(const char *file, struct slice text, size_t max, struct diag *d,
		   struct json_doc **ret) _must_check_;
/* Reads an open file (from its start, at most max bytes). */
int json_doc_read(const char *file, int fd, size_t max, struct diag *d,
		  struct json_doc **ret) _must_check_;
struct json_doc *json_doc_free(struct json_doc *doc);
json_t *json_doc_root(const struct json_doc *doc); /* borrowed */
const char *json_doc_file(const struct json_doc *doc);

/* Where a member's value (or, with `at_key`, its key) or an array's element stands. parent NULL:
 * the root itself; key NULL or not there: the parent itself (for a member that is missing). Fills d
 * with file, line, column and the formatted text; returns -EINVAL. */
int json_doc_error(const struct json_doc *doc, struct diag *d, const json_t *parent,
		   const char *key, bool at_key, const char *fmt, ...) _printf_(6, 7);
int json_doc_error_at(const struct json_doc *doc, struct diag *d, const json_t *array, size_t index,
		      const char *fmt, ...) _printf_(5, 6);
/* -EINVAL naming the first member of `object` that is not in the NULL-terminated list, and the
 * nearest allowed one. */
int json_doc_only(const struct json_doc *doc, struct diag *d, const json_t *object,
		  const char *const *allowed) _must_check_;
