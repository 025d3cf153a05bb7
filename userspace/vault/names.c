/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/names.h"

#include <stdlib.h>
#include <string.h>

struct names {
	size_t n;
	struct slice *v; /* into text, sorted */
	char *text;
};

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_label(struct slice s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_label_char(s.p[i]))
			return false;
	return true;
}

static bool is_number(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

bool names_is_host(struct slice s)
{
	size_t start = 0;

	if (s.n == 0 || s.n > NAMES_HOST_MAX)
		return false;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '.')
			continue;
		if (!is_label(slice_of(s.p + start, i - start)))
			return false;
		/* No top-level domain is all digits (RFC 3696 2): this is an IPv4 address. */
		if (i == s.n && is_number(slice_of(s.p + start, i - start)))
			return false;
		start = i + 1;
	}
	return true;
}

/* What stands after the label of the last star; all of it without one. */
static struct slice subtree(struct slice pattern)
{
	const char *star = memrchr(pattern.p, '*', pattern.n), *dot;

	if (!star)
		return pattern;
	dot = memchr(star, '.', pattern.n - (size_t)(star - pattern.p));
	if (!dot)
		return slice_of(pattern.p, 0);
	return slice_of(dot + 1, pattern.n - (size_t)(dot + 1 - pattern.p));
}

static bool is_within(struct slice host, struct slice tree)
{
	return host.n >= tree.n && slice_has_suffix(host, tree) &&
	       (host.n == tree.n || host.p[host.n - tree.n - 1] == '.');
}

static int compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int r = n ? memcmp(x->p, y->p, n) : 0;

	return r ? r : (x->n > y->n) - (x->n < y->n);
}

static int compare_length(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	return x->n != y->n ? (x->n > y->n) - (x->n < y->n) : compare(a, b);
}

/* Shortest first, so that whatever contains a name is already kept when it is looked at. */
static void canonicalize(struct names *s)
{
	size_t kept = 0;

	qsort(s->v, s->n, sizeof(*s->v), compare_length);
	for (size_t i = 0; i < s->n; i++) {
		bool inside = false;

		for (size_t k = 0; k < kept && !inside; k++)
			inside = is_within(s->v[i], s->v[k]);
		if (!inside)
			s->v[kept++] = s->v[i];
	}
	s->n = kept;
	qsort(s->v, s->n, sizeof(*s->v), compare);
}

static int new_empty(size_t bytes, size_t count, struct names **ret)
{
	struct names *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->text = malloc(bytes + 1);
	s->v = calloc(count + 1, sizeof(*s->v));
	if (!s->text || !s->v) {
		(void)names_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

struct names *names_free(struct names *s)
{
	if (s) {
		free(s->text);
		free(s->v);
	}
	free(s);
	return NULL;
}

static int add_pattern(struct names *s, struct slice pattern, struct diag *d)
{
	struct slice tree = subtree(pattern);
	bool wild = tree.n != pattern.n || memchr(pattern.p, '*', pattern.n);

	if (!names_is_host(tree))
		return diag_at(d, 0, 0, "governed name \"%.*s\": not a host name or pattern",
			       (int)(pattern.n > 255 ? 255 : pattern.n), pattern.p);
	if (wild && !memchr(tree.p, '.', tree.n))
		return diag_at(
			d, 0, 0,
			"governed name \"%.*s\": a pattern must end in two whole labels, or the "
			"CA could not be constrained",
			(int)(pattern.n > 255 ? 255 : pattern.n), pattern.p);
	s->v[s->n++] = tree;
	return 0;
}

int names_parse(struct slice text, struct diag *d, struct names **ret)
{
	struct names *s = NULL;
	size_t start = 0;
	int r;

	if (text.n > NAMES_BYTES_MAX)
		return diag_at(d, 0, 0, "governed names: more than %u bytes", NAMES_BYTES_MAX);
	r = new_empty(text.n, NAMES_MAX, &s);
	if (r < 0)
		return r;
	for (size_t i = 0; i < text.n; i++)
		s->text[i] = ascii_lower(text.p[i]);
	for (size_t i = 0; i <= text.n && r == 0; i++) {
		if (i < text.n && s->text[i] != '\0')
			continue;
		if (i > start && s->n == NAMES_MAX)
			r = diag_at(d, 0, 0, "governed names: more than %u", NAMES_MAX);
		else if (i > start)
			r = add_pattern(s, slice_of(s->text + start, i - start), d);
		start = i + 1;
	}
	if (r == 0 && s->n == 0)
		r = diag_at(d, 0, 0,
			    "governed names: there is none, so the CA has nothing to permit");
	if (r < 0) {
		(void)names_free(s);
		return r;
	}
	canonicalize(s);
	*ret = s;
	return 0;
}

int names_from(const struct slice *v, size_t n, struct names **ret)
{
	struct names *s = NULL;
	size_t bytes = 0, at = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		bytes += v[i].n;
	r = new_empty(bytes, n, &s);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct slice t = v[i];

		if (t.n && t.p[0] == '.')
			t = slice_of(t.p + 1, t.n - 1);
		s->v[s->n++] = slice_of(s->text + at, t.n);
		for (size_t k = 0; k < t.n; k++)
			s->text[at++] = ascii_lower(t.p[k]);
	}
	canonicalize(s);
	*ret = s;
	return 0;
}

size_t names_count(const struct names *s)
{
	return s->n;
}

struct slice names_get(const struct names *s, size_t i)
{
	return s->v[i];
}

bool names_eq(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!slice_eq(a->v[i], b->v[i]))
			return false;
	return true;
}

bool names_covers(const struct names *s, struct slice host)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_within(host, s->v[i]))
			return true;
	return false;
}
