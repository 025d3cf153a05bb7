/* SPDX-License-Identifier: Apache-2.0 */
/* What selectors.c (look-up) and selectors_read.c (compile) must agree on: the keys. */
#pragma once

#include "base/slice.h"

#define SELECTORS_KEY_MAX 4200
#define SELECTORS_ID_MIN  12 /* hex digits of a container id that must be given, and are the key */

/* First byte of a key; from the most telling to the least. */
enum selectors_by {
	SELECTORS_BY_CGROUP = 'c',
	SELECTORS_BY_RUN = 'r',
	SELECTORS_BY_CONTAINER = 'i',
	SELECTORS_BY_POD = 'p',
	SELECTORS_BY_UNIT = 'u', /* the outer unit only: see place.h */
	SELECTORS_BY_EXE = 'x',
	SELECTORS_BY_USER = 'U',
	SELECTORS_BY_GROUP = 'G',
};

static inline struct slice selectors_key(char kind, struct slice value, char *to, size_t size)
{
	if (value.n >= size)
		return slice_of(to, 0);
	to[0] = kind;
	if (value.n)
		memcpy(to + 1, value.p, value.n);
	return slice_of(to, value.n + 1);
}
