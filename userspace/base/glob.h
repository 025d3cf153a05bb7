/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns with `*` and `?`, for names of models, units, cgroups and programs. Time is bounded by
 * the product of the lengths (in paths, times the length of the text once more): nothing
 * recurses, so no pattern can blow up. Bytes, not characters. There is no escape: who needs a
 * literal `*` cannot write it.
 */
#pragma once

#include "base/slice.h"

/* `*` is any number of bytes, `?` exactly one. ASCII letters match in either case. */
bool glob_match(struct slice pattern, struct slice text);
/* `*` and `?` stop at `/`; `**` crosses it. Case matters. */
bool glob_match_path(struct slice pattern, struct slice text);
bool glob_is_pattern(struct slice s); /* holds `*` or `?` */
/* Bytes before the first and after the last wildcard. Without one: all, and 0. */
size_t glob_prefix(struct slice pattern);
size_t glob_suffix(struct slice pattern);
