/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/catalogue_path.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* Bytes that may stand as they are: pchar without ';' and '%'. */
static bool is_plain(char c)
{
	return is_alnum(c) || (c && strchr("-._~!$&'()*+,=:@", c));
}

/*
 * Bytes that may stand percent-encoded: those of ids that some clients encode, none of which can
 * end a segment, climb, or be read as another byte after one decoding more.
 */
static bool is_encodable(int c)
{
	return c > 0 && strchr(" !$&'()*+,=:@|[]", c);
}

static bool is_segment(struct slice s)
{
	if (s.n == 0 || slice_eq(s, SLICE(".")) || slice_eq(s, SLICE("..")))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%') {
			int hi = i + 2 < s.n ? hex(s.p[i + 1]) : -1;
			int lo = i + 2 < s.n ? hex(s.p[i + 2]) : -1;

			if (hi < 0 || lo < 0 || !is_encodable(hi << 4 | lo))
				return false;
			i += 2;
		} else if (!is_plain(s.p[i])) {
			return false;
		}
	}
	return true;
}

bool catalogue_path_cut(struct slice path, struct catalogue_path *ret)
{
	size_t begin = 1;

	ret->n = 0;
	if (path.n == 0 || path.p[0] != '/')
		return false;
	if (path.n == 1)
		return true;
	for (size_t i = 1; i <= path.n; i++) {
		struct slice segment;

		if (i < path.n && path.p[i] != '/')
			continue;
		segment = slice_of(path.p + begin, i - begin);
		if (ret->n == IMAGE_SEGMENTS_MAX || !is_segment(segment))
			return false;
		ret->segment[ret->n++] = segment;
		begin = i + 1;
	}
	return true;
}
