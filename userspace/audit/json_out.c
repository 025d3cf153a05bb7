/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/json_out.h"

#include <string.h>

#include "base/utf8.h"

static void put(struct json_out *o, const char *p, size_t n)
{
	if (o->error == 0)
		o->error = buf_append(o->to, p, n);
}

static void put_str(struct json_out *o, const char *s)
{
	put(o, s, strlen(s));
}

static void put_escaped(struct json_out *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = "\\u00xx";

	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		put(o, text, 2);
		return;
	}
	text[4] = hex[c >> 4];
	text[5] = hex[c & 15];
	put(o, text, 6);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_quoted(struct json_out *o, struct slice s)
{
	put(o, "\"", 1);
	while (s.n) {
		size_t n = 0;

		while (n < s.n && is_plain((unsigned char)s.p[n]))
			n++;
		put(o, s.p, n);
		s = slice_of(s.p + n, s.n - n);
		if (s.n == 0)
			break;
		n = utf8_length(s);
		if (n == 0)
			put(o, "\xef\xbf\xbd", 3);
		else if (n == 1)
			put_escaped(o, (unsigned char)s.p[0]);
		else
			put(o, s.p, n);
		n = n ? n : 1;
		s = slice_of(s.p + n, s.n - n);
	}
	put(o, "\"", 1);
}

static void put_key(struct json_out *o, const char *key)
{
	if (!o->first)
		put(o, ",", 1);
	o->first = false;
	put(o, "\"", 1);
	put_str(o, key);
	put(o, "\":", 2);
}

void json_out_open(struct json_out *o, const char *key)
{
	if (key)
		put_key(o, key);
	put(o, "{", 1);
	o->first = true;
}

void json_out_close(struct json_out *o)
{
	put(o, "}", 1);
	o->first = false;
}

void json_out_text(struct json_out *o, const char *key, struct slice value)
{
	put_key(o, key);
	put_quoted(o, value);
}

void json_out_number(struct json_out *o, const char *key, int64_t value)
{
	put_key(o, key);
	if (o->error == 0)
		o->error = buf_printf(o->to, "%lld", (long long)value);
}

void json_out_true(struct json_out *o, const char *key)
{
	put_key(o, key);
	put(o, "true", 4);
}

void json_out_hex(struct json_out *o, const char *key, const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *b = p;

	put_key(o, key);
	put(o, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		char two[2] = { hex[b[i] >> 4], hex[b[i] & 15] };

		put(o, two, 2);
	}
	put(o, "\"", 1);
}

void json_out_newline(struct json_out *o)
{
	put(o, "\n", 1);
}
