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
	bool is_value; /* what it is in stands behind a colon: it can be no key */
};

/* The next [*ret_start, *ret_end) that lies inside a string, is long enough to be worth it, and
 * consists of whole characters and right escapes only. It begins at least `keep` bytes after the
 * string (or the end of an earlier one), behind a colon less: but beyond an escape that the text
 * has cut. `text` is everything so far, and may grow and move between calls. False: none, as far as
 * the text can be judged. keep: at least 6. */
bool json_skip_next(struct json_skip *k, struct slice text, size_t keep, size_t *ret_start,
		    size_t *ret_end);
