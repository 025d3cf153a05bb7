/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct endpoints, for endpoints.c and endpoints_file.c. */
#pragma once

#include "daemon/endpoints.h"

struct address {
	struct eg_addr addr;
	uint64_t confirmed_us; /* wall clock */
};

/* A governed name and what it was resolved to. */
struct name {
	char host[256];
	uint32_t provider; /* index in the edition */
	bool governed; /* in the edition that applies */
	bool tried; /* since this daemon started */
	uint64_t answered_us; /* last answer with addresses */
	struct address *v;
	size_t n;
};

struct endpoints {
	struct endpoints_opts opts;
	struct name *names;
	size_t n_names;
	struct timer save, expire;
	bool changed;
	uint64_t started_us; /* CLOCK_MONOTONIC */
	char file[4352];
};

struct name *endpoints_find_name(const struct endpoints *e, const char *host);
/* NULL: too many, too long, or out of memory. */
struct name *endpoints_add_name(struct endpoints *e, struct slice host);
/* Whether the address was not known before. */
bool endpoints_confirm(struct endpoints *e, struct name *name, const struct eg_addr *a,
		       uint64_t now_us);
