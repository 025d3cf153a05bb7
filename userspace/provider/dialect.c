/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/dialect.h"

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

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80   ? 1
		     : p[0] < 0xc2 ? 0
		     : p[0] < 0xe0 ? 2
		     : p[0] < 0xf0 ? 3
		     : p[0] < 0xf5 ? 4
				   : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, above U+10FFFF: told by the second byte. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
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
		size_t n = utf8_length((const unsigned char *)s.p + i, s.n - i);

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
