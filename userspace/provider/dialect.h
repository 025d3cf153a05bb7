/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between provider APIs and is code, not data: the shape of an error. One file a
 * dialect with one const struct; the table is in dialect.c. (Usage metering joins here later.)
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "egret/reasons.h"

struct dialect_error {
	unsigned status;
	enum eg_reason reason;
	struct slice message; /* for people: what and what to do; UTF-8, escaped by the dialect */
	struct slice request_id; /* 32 hex digits */
};

struct dialect {
	const char *name;
	/* Appends the JSON body of an error as the provider itself would write it. 0 or -errno. */
	int (*write_error)(struct buf *out, const struct dialect_error *e);
	const char *request_id_field; /* "x-request-id", "request-id" */
};

/* NULL: no such dialect. "generic" always exists. */
const struct dialect *dialect_find(struct slice name);
