/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <stdio.h>

#include "control/rows.h"

#define ESCAPED_MAX (64u << 20)

/* Decodes one code point of valid UTF-8; 0 bytes: it is not valid. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
	uint32_t c;

	if (len == 0 || len > n)
		return 0;
	c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

/* Unicode's marks of direction, invisible characters, line separators, variation and language
 * tags, noncharacters: all can make a text look like another one. */
static bool is_treacherous(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
		{ 0x80, 0x9f },	    { 0xad, 0xad },	{ 0x34f, 0x34f },   { 0x61c, 0x61c },
		{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

int text_escape(struct buf *out, struct slice s)
{
	int r = 0;

	for (size_t at = 0; at < s.n && r == 0;) {
		const unsigned char *p = (const unsigned char *)s.p + at;
		uint32_t c = 0;
		size_t len = decode(p, s.n - at, &c);

		at += len ? len : 1;
		if (len == 0)
			r = buf_printf(out, "\\x%02x", *p);
		else if (c == '\n' || c == '\t' || c == '\\')
			r = buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
		else if (c < 0x20 || c == 0x7f)
			r = buf_printf(out, "\\x%02x", (unsigned)c);
		else if (is_treacherous(c))
			r = buf_printf(out, "\\u{%x}", (unsigned)c);
		else
			r = buf_append(out, p, len);
	}
	return r;
}

char *text_escaped(struct slice s)
{
	struct buf out;
	char *text = NULL;

	buf_init(&out, ESCAPED_MAX);
	if (text_escape(&out, s) == 0)
		text = strndup(buf_slice(&out).p, buf_len(&out));
	buf_release(&out);
	return text;
}

size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

json_t *text_json(struct slice s)
{
	return rows_text(s.p, s.n);
}
