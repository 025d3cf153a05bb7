/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <stdio.h>

#define WORD_MAX 63 /* longer ones are compared with nothing */

/* Levenshtein distance of two words no longer than WORD_MAX. */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[WORD_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned best = diagonal + (a.p[i - 1] != b.p[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

void nearest_init(struct nearest *m, struct slice word)
{
	*m = (struct nearest){ .word = word, .distance = word.n < 6 ? 3 : 4 };
}

void nearest_offer(struct nearest *m, struct slice candidate)
{
	unsigned d;

	if (m->word.n > WORD_MAX || candidate.n > WORD_MAX)
		return;
	d = distance(m->word, candidate);
	if (d >= m->distance || d >= candidate.n)
		return;
	m->best = candidate;
	m->distance = d;
}

void nearest_hint(const struct nearest *m, char *to, size_t size)
{
	if (m->best.n)
		(void)snprintf(to, size, "; did you mean \"" SLICE_FMT "\"?", SLICE_ARG(m->best));
	else if (size)
		to[0] = '\0';
}
