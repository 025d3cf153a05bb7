/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long strings in a JSON text, found by their quotes alone and many bytes at a time: what stands in
 * them needs no parser. For json_scan, which so gives its parser little of a prompt. Nothing but
 * the inside of strings is looked at.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct json_skip { /* zero at the start of the text */
	size_t at; /* where to look on */
	bool in_string;
};

/* The next [*ret_start, *ret_end), at least `keep` bytes, that lies inside a string, at least
 * `keep` bytes after its beginning (or the end of an earlier one), and consists of whole characters
 * and right escapes only. `text` is everything so far, and may grow and move between calls. False:
 * none, as far as the text can be judged. keep > 0. */
bool json_skip_next(struct json_skip *k, struct slice text, size_t least, size_t *ret_start,
		    size_t *ret_end);
