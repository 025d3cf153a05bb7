/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"

#define NOWHERE SIZE_MAX

static bool is_wild(char c)
{
	return c == '*' || c == '?';
}

/* Only the last `*` needs a way back: whatever an earlier one could take, this one can too. */
bool glob_match(struct slice pattern, struct slice text)
{
	size_t p = 0, t = 0, star = NOWHERE, resume = 0;

	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.n && (pattern.p[p] == '?' ||
					     ascii_lower(pattern.p[p]) == ascii_lower(text.p[t]))) {
			p++;
			t++;
		} else if (star != NOWHERE) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

struct way_back {
	size_t pattern; /* just behind the wildcard; NOWHERE: none */
	size_t text; /* first byte that the wildcard does not take yet */
};

/* Gives the wildcard one byte more and goes on behind it. */
static bool go_back(struct way_back *w, struct slice text, size_t *p, size_t *t)
{
	if (w->pattern == NOWHERE || w->text >= text.n)
		return false;
	*p = w->pattern;
	*t = ++w->text;
	return true;
}

/*
 * As above with two ways back. A `*` gives up at a slash and leaves it to the `**` before it. The
 * last of each kind is enough: what stands between two `*` either holds a slash and fits in one
 * place only, or holds none, and then its first place leaves the most to the next `*`.
 */
bool glob_match_path(struct slice pattern, struct slice text)
{
	struct way_back star = { NOWHERE, 0 }, deep = { NOWHERE, 0 };
	size_t p = 0, t = 0;

	for (;;) {
		if (p + 1 < pattern.n && pattern.p[p] == '*' && pattern.p[p + 1] == '*') {
			deep = (struct way_back){ p += 2, t };
			star.pattern = NOWHERE;
			continue;
		}
		if (p < pattern.n && pattern.p[p] == '*') {
			star = (struct way_back){ ++p, t };
			continue;
		}
		if (p == pattern.n && t == text.n)
			return true;
		if (p < pattern.n && t < text.n &&
		    (pattern.p[p] == '?' ? text.p[t] != '/' : pattern.p[p] == text.p[t])) {
			p++;
			t++;
			continue;
		}
		if (star.pattern != NOWHERE && star.text < text.n && text.p[star.text] != '/' &&
		    go_back(&star, text, &p, &t))
			continue;
		star.pattern = NOWHERE;
		if (!go_back(&deep, text, &p, &t))
			return false;
	}
}

bool glob_is_pattern(struct slice s)
{
	return glob_prefix(s) < s.n;
}

size_t glob_prefix(struct slice pattern)
{
	size_t n = 0;

	while (n < pattern.n && !is_wild(pattern.p[n]))
		n++;
	return n;
}

size_t glob_suffix(struct slice pattern)
{
	size_t n = 0;

	if (!glob_is_pattern(pattern))
		return 0;
	while (!is_wild(pattern.p[pattern.n - 1 - n]))
		n++;
	return n;
}
