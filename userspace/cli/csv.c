/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/csv.h"

#include <string.h>

void csv_header(FILE *to, const struct column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)fprintf(to, "%s%s", i ? "," : "", columns[i].key);
	(void)fputs("\r\n", to);
}

static void write_text(FILE *to, const char *s, size_t n)
{
	(void)fputc('"', to);
	if (n && strchr("=+-@\t\r", s[0]))
		(void)fputc('\'', to);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			(void)fputc('"', to);
		(void)fputc(s[i], to);
	}
	(void)fputc('"', to);
}

int csv_row(FILE *to, const json_t *row, const struct column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_object_get(row, columns[i].key);

		if (i)
			(void)fputc(',', to);
		if (json_is_string(v)) {
			write_text(to, json_string_value(v), json_string_length(v));
		} else if (v && !json_is_null(v)) {
			char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

			if (!text)
				return -ENOMEM;
			if (json_is_object(v) || json_is_array(v))
				write_text(to, text, strlen(text));
			else
				(void)fputs(text, to);
			free(text);
		}
	}
	(void)fputs("\r\n", to);
	return 0;
}
