/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/json_skip.h"

#include <string.h>

#define LEAST  32u /* bytes: fewer are read as fast as left out */
#define ESCAPE 6u /* bytes of the longest */

typedef unsigned char block __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* Without the bytes that a string may not hold as they are. */
static bool is_plain(unsigned char c)
{
	return c != '"' && c != '\\' && c >= 0x20;
}

static bool is_plain_block(const char *p)
{
	halves any;
	block b;

	memcpy(&b, p, sizeof(b));
	any = (halves)((b == '"') | (b == '\\') | ((b & 0xe0) == 0));
	return (any[0] | any[1]) == 0;
}

/* The end of the plain bytes from `at` on. */
static size_t run_end(struct slice s, size_t at)
{
	while (at + sizeof(block) <= s.n && is_plain_block(s.p + at))
		at += sizeof(block);
	while (at < s.n && is_plain((unsigned char)s.p[at]))
		at++;
	return at;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

/* Of a whole and right escape that stands here; else 0. */
static size_t escape_length(struct slice s, size_t at)
{
	if (at + 2 > s.n || s.p[at] != '\\')
		return 0;
	if (s.p[at + 1] != 'u')
		return s.p[at + 1] && strchr("\"\\/bfnrt", s.p[at + 1]) ? 2 : 0;
	if (at + ESCAPE > s.n)
		return 0;
	for (size_t i = 2; i < ESCAPE; i++)
		if (!is_hex(s.p[at + i]))
			return 0;
	return ESCAPE;
}

/* To the end of what may stand in a string; returns the first place between two characters that is
 * `keep` bytes on, or that end. */
static size_t cross(struct json_skip *k, struct slice text, size_t keep)
{
	size_t want = k->at + keep, cut = 0, n;

	do {
		size_t end = run_end(text, k->at);

		if (!cut && end >= want)
			cut = k->at > want ? k->at : want;
		k->at = end;
		n = escape_length(text, end);
		k->at += n;
	} while (n);
	return cut ? cut : k->at;
}

/* Whether what begins at `at` stands behind a colon. */
static bool follows_colon(struct slice text, size_t at)
{
	while (at > 0 && memchr(" \t\r\n", text.p[at - 1], 4))
		at--;
	return at > 0 && text.p[at - 1] == ':';
}

bool json_skip_next(struct json_skip *k, struct slice text, size_t keep, size_t *ret_start,
		    size_t *ret_end)
{
	while (k->at < text.n) {
		const char *quote;

		if (k->in_string) {
			*ret_start = cross(k, text, k->is_value ? ESCAPE : keep);
			*ret_end = k->at;
			k->in_string = k->at == text.n || text.p[k->at] != '"';
			k->at += !k->in_string;
			if (*ret_end - *ret_start >= LEAST)
				return true;
			/* The text ends here; or an escape is cut, or something wrong. */
			if (k->in_string)
				return false;
		}
		quote = memchr(text.p + k->at, '"', text.n - k->at);
		k->in_string = quote;
		if (quote)
			k->is_value = follows_colon(text, (size_t)(quote - text.p));
		k->at = quote ? (size_t)(quote - text.p) + 1 : text.n;
	}
	return false;
}
