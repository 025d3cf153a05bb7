/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/dialect.h"

#include "base/utf8.h"
#include "provider/dialect_json.h"

static const struct dialect *const dialects[] = {
	&dialect_openai,
	&dialect_anthropic,
	&dialect_generic,
};

const struct dialect *dialect_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++)
		if (slice_eq(name, slice_str(dialects[i]->name)))
			return dialects[i];
	return NULL;
}

static int write_char(struct buf *out, const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0];

	if (n == 0)
		return buf_append(out, "\xef\xbf\xbd", 3); /* U+FFFD, for a byte that is none */
	if (c == '"' || c == '\\')
		return buf_printf(out, "\\%c", c);
	if (c == '\n')
		return buf_append(out, "\\n", 2);
	if (c < 0x20 || c == 0x7f)
		return buf_printf(out, "\\u%04x", c);
	return buf_append(out, p, n);
}

int dialect_json_string(struct buf *out, struct slice s)
{
	int r = buf_append(out, "\"", 1);

	for (size_t i = 0; i < s.n && r == 0;) {
		size_t n = utf8_length(slice_of(s.p + i, s.n - i));

		r = write_char(out, s.p + i, n);
		i += n ? n : 1;
	}
	return r < 0 ? r : buf_append(out, "\"", 1);
}

int dialect_json_format(struct buf *out, const char *format, const struct slice *values)
{
	int r = 0;

	for (; *format && r == 0; format++)
		r = *format == '$' ? dialect_json_string(out, *values++)
				   : buf_append(out, format, 1);
	return r;
}
