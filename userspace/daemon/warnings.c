/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

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

static struct warning *find(struct warnings *w, const char *subject)
{
	for (size_t i = 0; i < w->n; i++)
		if (strncmp(w->v[i].subject, subject, sizeof(w->v[i].subject) - 1) == 0)
			return &w->v[i];
	return NULL;
}

void warnings_set(struct warnings *w, const char *subject, const char *fmt, ...)
{
	struct warning *at = find(w, subject);
	char text[sizeof(at->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (at && strcmp(at->text, text) == 0)
		return;
	log_warn("%s", text);
	if (!at && w->n < WARNINGS_MAX) {
		at = &w->v[w->n++];
		(void)snprintf(at->subject, sizeof(at->subject), "%s", subject);
	}
	if (at)
		memcpy(at->text, text, sizeof(text));
}

void warnings_clear(struct warnings *w, const char *subject)
{
	struct warning *at = find(w, subject);

	if (!at)
		return;
	w->n--;
	memmove(at, at + 1, (size_t)(&w->v[w->n] - at) * sizeof(*at));
}

json_t *warnings_json(const struct warnings *w)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < w->n; i++)
		(void)json_array_append_new(list, json_string(w->v[i].text));
	return list;
}
