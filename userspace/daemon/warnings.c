/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/slice.h"

#define WARNINGS_MAX 64u /* a longer list would be read by nobody; the log has them all */

struct warning {
	char subject[64];
	char text[700];
};

struct warnings {
	struct warning v[WARNINGS_MAX];
	size_t n;
};

struct warnings *warnings_new(void)
{
	return calloc(1, sizeof(struct warnings));
}

struct warnings *warnings_free(struct warnings *w)
{
	free(w);
	return NULL;
}

static size_t find(const struct warnings *w, const char *subject)
{
	size_t i = 0;

	while (i < w->n && strncmp(w->v[i].subject, subject, sizeof(w->v[i].subject) - 1) != 0)
		i++;
	return i;
}

bool warnings_has(const struct warnings *w, const char *subject)
{
	return find(w, subject) < w->n;
}

void warnings_set(struct warnings *w, const char *subject, const char *fmt, ...)
{
	size_t i = find(w, subject);
	char text[sizeof(w->v[0].text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (i < w->n && strcmp(w->v[i].text, text) == 0)
		return;
	log_warn("%s", text);
	if (i == WARNINGS_MAX)
		return;
	if (i == w->n) {
		(void)slice_copy(slice_str(subject), w->v[i].subject, sizeof(w->v[i].subject));
		w->n++;
	}
	memcpy(w->v[i].text, text, sizeof(text));
}

void warnings_clear(struct warnings *w, const char *subject)
{
	size_t i = find(w, subject);

	if (i == w->n)
		return;
	w->n--;
	memmove(&w->v[i], &w->v[i + 1], (w->n - i) * sizeof(w->v[0]));
}

json_t *warnings_json(const struct warnings *w)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < w->n; i++)
		(void)json_array_append_new(list, json_string(w->v[i].text));
	return list;
}
