/* SPDX-License-Identifier: Apache-2.0 */
/* What a request asks for, checked: the values below and nothing of its JSON. Private to query.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "audit/query.h"

#define QUERY_FILTERS_MAX 8
#define QUERY_TEXT_MAX	  256 /* bytes of a filter's value */

enum filter_op {
	FILTER_EQ,
	FILTER_GLOB, /* `*` stands for any bytes */
	FILTER_DENIED, /* every decision but `allowed`; takes no value */
};

struct query_filter {
	const char *column;
	enum filter_op op;
	char value[2 * QUERY_TEXT_MAX]; /* GLOB: in SQLite's syntax */
};

struct query_spec {
	bool events; /* else records */
	bool watch;
	bool show; /* one record, by its id between id_from and id_to */
	bool has_limit;
	uint64_t limit;
	int64_t since_us, until_us; /* both inclusive */
	uint8_t id_from[16], id_to[16];
	char id[33]; /* as given */
	struct query_filter filter[QUERY_FILTERS_MAX];
	size_t n_filters;
};

int query_parse(struct slice text, struct query_error *e, struct query_spec *ret) _must_check_;
