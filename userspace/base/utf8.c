/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_length(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return s.n >= 2 && is_continuation(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (s.n < 3 || !is_continuation(p[1]) || !is_continuation(p[2]))
			return 0;
		if (p[0] == 0xe0 && p[1] < 0xa0) /* overlong */
			return 0;
		return p[0] == 0xed && p[1] > 0x9f ? 0 : 3; /* surrogates */
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (s.n < 4 || !is_continuation(p[1]) || !is_continuation(p[2]) ||
		    !is_continuation(p[3]))
			return 0;
		if (p[0] == 0xf0 && p[1] < 0x90) /* overlong */
			return 0;
		return p[0] == 0xf4 && p[1] > 0x8f ? 0 : 4; /* above U+10FFFF */
	}
	return 0;
}

/* Bytes at the start that are ASCII, as far as whole words tell. */
static size_t skip_ascii(struct slice s)
{
	size_t i = 0;
	uint64_t w, more[4];

	for (; i + sizeof(more) <= s.n; i += sizeof(more)) {
		memcpy(more, s.p + i, sizeof(more));
		if ((more[0] | more[1] | more[2] | more[3]) & 0x8080808080808080u)
			break;
	}
	for (; i + sizeof(w) <= s.n; i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if (w & 0x8080808080808080u)
			break;
	}
	return i;
}

size_t utf8_valid_prefix(struct slice s)
{
	size_t i = 0, n;

	while (i < s.n) {
		i += skip_ascii(slice_of(s.p + i, s.n - i));
		for (unsigned k = 0; k < sizeof(uint64_t) && i < s.n; k++, i += n) {
			n = utf8_length(slice_of(s.p + i, s.n - i));
			if (n == 0)
				return i;
		}
	}
	return i;
}

bool utf8_is_text(struct slice s)
{
	while (s.n) {
		const unsigned char *p = (const unsigned char *)s.p;
		size_t n = utf8_length(s);

		if (n == 0 || p[0] < 0x20 || p[0] == 0x7f ||
		    (n == 2 && p[0] == 0xc2 && p[1] < 0xa0))
			return false;
		s = slice_of(s.p + n, s.n - n);
	}
	return true;
}

/* The ASCII letter that s begins with or folds into, in lower case, and its bytes; else its byte.
 */
static char folded(struct slice s, size_t *ret_n)
{
	*ret_n = 1;
	if (s.n >= 2 && memcmp(s.p, "\xc5\xbf", 2) == 0) {
		*ret_n = 2;
		return 's';
	}
	if (s.n >= 3 && memcmp(s.p, "\xe2\x84\xaa", 3) == 0) {
		*ret_n = 3;
		return 'k';
	}
	return ascii_lower(s.p[0]);
}

bool utf8_same_but_case(struct slice s, struct slice plain)
{
	for (size_t i = 0; i < plain.n; i++) {
		size_t n;

		if (s.n == 0 || folded(s, &n) != ascii_lower(plain.p[i]))
			return false;
		s = slice_of(s.p + n, s.n - n);
	}
	return s.n == 0;
}
