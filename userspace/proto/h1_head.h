/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict reading of a complete message head, or trailer section, that lies contiguous in
 * memory: lines end in CR LF, nothing is folded, names are tokens, what frames the message is
 * unambiguous. Called by h1.c once llhttp has found the end of it; decides everything, repairs
 * nothing.
 */
#pragma once

#include "base/cleanup.h"
#include "proto/http.h"

struct h1_fields {
	struct http_field *p;
	size_t n, max;
	struct pool *pool;
};

/* All of these return NULL, or why the head is refused; H1_TOO_MANY if a bound is exceeded. */
extern const char h1_too_many[];

/* `head` begins with the start line and ends with the empty line. Slices in *ret point into it. */
const char *h1_head_request(struct slice head, struct h1_fields *f, struct http_request *ret,
			    bool *ret_http10) _must_check_;
const char *h1_head_response(struct slice head, struct h1_fields *f, struct http_response *ret,
			     bool *ret_http10) _must_check_;
/* Field lines and the empty line. */
const char *h1_head_trailers(struct slice section, struct h1_fields *f) _must_check_;
/* Is `token` one of the elements of the Connection fields? */
bool h1_connection_has(const struct http_field *f, size_t n, struct slice token);
