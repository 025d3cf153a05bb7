/* SPDX-License-Identifier: Apache-2.0 */
/* What is not as it should be right now, one text a subject: shown by `status` and `check`, logged
 * when it begins and when its words change. */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/json.h"

struct warnings;

struct warnings *warnings_new(void) _must_check_;
struct warnings *warnings_free(struct warnings *w); /* returns NULL */
/* subject: a short name, cut to 63 bytes. */
void warnings_set(struct warnings *w, const char *subject, const char *fmt, ...) _printf_(3, 4);
void warnings_clear(struct warnings *w, const char *subject);
bool warnings_has(const struct warnings *w, const char *subject);
/* A new array of the texts; NULL: out of memory. */
json_t *warnings_json(const struct warnings *w) _must_check_;
