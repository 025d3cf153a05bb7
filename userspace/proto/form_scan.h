/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a multipart/form-data request body (RFC 7578) as it arrives, reading the values of
 * a few governed text parts ("model") and skipping files. A governed part twice, a part whose
 * name is ambiguous (two Content-Disposition fields, filename beside a governed name, name*=, a
 * governed name in another case), a missing closing boundary: refused; so is whatever another
 * reader may cut differently (bare LF before a boundary, white space after it, text before the
 * first or after the last), and a governed part that says it is not plain UTF-8 text. Bounded: part
 * heads 8 KiB, governed values 1 KiB, 1,000 parts.
 */
#pragma once

#include "base/pool.h"
#include "base/slice.h"

enum form_scan_result {
	FORM_SCAN_OK,
	FORM_SCAN_MALFORMED,
	FORM_SCAN_DUPLICATE,
	FORM_SCAN_BAD_VALUE,
	FORM_SCAN_TOO_MANY,
	FORM_SCAN_NO_MEMORY,
};

struct form_scan_value {
	unsigned key; /* index into the names */
	struct slice text; /* in the pool */
};

struct form_scan;

/* content_type is the whole field value. NULL with errno EINVAL: no usable boundary. */
struct form_scan *form_scan_new(struct slice content_type, const char *const *names, size_t n_names,
				struct pool *pool) _must_check_;
struct form_scan *form_scan_free(struct form_scan *s);
/* `piece` is the next part of the body (not everything so far: files are not kept). */
enum form_scan_result form_scan_feed(struct form_scan *s, struct slice piece);
enum form_scan_result form_scan_finish(struct form_scan *s);
size_t form_scan_values(const struct form_scan *s, const struct form_scan_value **ret);
