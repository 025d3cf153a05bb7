/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of multipart/form-data and the head of one of its parts. Pure; for form_scan. */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define FORM_BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */

/* The boundary of a Content-Type value, borrowed from it. -EINVAL: another type, no boundary,
 * several, one with characters RFC 2046 does not allow. */
int form_boundary(struct slice content_type, struct slice *ret) _must_check_;

struct form_part {
	struct slice name; /* borrowed from the head; never empty */
	bool has_filename;
	bool is_plain; /* nothing but, at most, text/plain in UTF-8 */
};

/* `head` is the part's fields, each ended by CR LF. -EINVAL: malformed, or its name is ambiguous.
 */
int form_part_parse(struct slice head, struct form_part *ret) _must_check_;
