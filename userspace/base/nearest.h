/* SPDX-License-Identifier: Apache-2.0 */
/* "did you mean": the candidate that is nearest to a word someone wrote. Offered one by one. */
#pragma once

#include "base/slice.h"

struct nearest {
	struct slice word;
	struct slice best; /* borrowed from its offer; empty: none is near enough */
	unsigned distance; /* of `best`; a better one must be below */
};

void nearest_init(struct nearest *m, struct slice word);
void nearest_offer(struct nearest *m, struct slice candidate);
/* Writes `; did you mean "X"?`, or nothing when no candidate is near. `to` ends in NUL. */
void nearest_hint(const struct nearest *m, char *to, size_t size);
