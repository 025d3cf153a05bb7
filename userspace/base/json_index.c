/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_index.h"

#include <stdarg.h>
#include <stdio.h>

struct scan {
	struct json_index *ix;
	struct slice text;
	size_t at;
	struct json_index_error *e;
};

static int scan_value(struct scan *s, unsigned depth);

static int fail(struct json_index_error *e, size_t at, const char *fmt, ...) _printf_(3, 4);

static int fail(struct json_index_error *e, size_t at, const char *fmt, ...)
{
	va_list ap;

	e->at = at;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Offset of the closing quote of the string that begins at `at`, or n. */
static size_t string_end(const char *p, size_t n, size_t at)
{
	for (at++; at < n && p[at] != '"'; at++)
		if (p[at] == '\\' && at + 1 < n)
			at++;
	return at < n ? at : n;
}

static size_t comment_end(const char *p, size_t n, size_t at)
{
	if (p[at + 1] == '/') {
		while (at < n && p[at] != '\n')
			at++;
		return at;
	}
	for (at += 2; at + 1 < n; at++)
		if (p[at] == '*' && p[at + 1] == '/')
			return at + 2;
	return SIZE_MAX;
}

int json_index_blank_comments(char *text, size_t n, struct json_index_error *e)
{
	for (size_t at = 0; at < n; at++) {
		size_t end;

		if (text[at] == '"') {
			at = string_end(text, n, at);
			continue;
		}
		if (text[at] != '/' || at + 1 >= n || (text[at + 1] != '/' && text[at + 1] != '*'))
			continue;
		end = comment_end(text, n, at);
		if (end == SIZE_MAX)
			return fail(e, at, "this comment has no end; write */ after it");
		for (; at < end; at++)
			if (text[at] != '\n' && text[at] != '\r')
				text[at] = ' ';
		at--;
	}
	return 0;
}

/* The array with room for one more after `n`, or NULL (then the old one is still there). */
static void *grown(void *array, size_t *size, size_t n, size_t each)
{
	size_t want = *size ? *size * 2 : 64;
	void *bigger;

	if (n < *size)
		return array;
	bigger = reallocarray(array, want, each);
	if (bigger)
		*size = want;
	return bigger;
}

static int add_container(struct json_index *ix, size_t at)
{
	uint32_t *array =
		grown(ix->containers, &ix->containers_size, ix->n_containers, sizeof(*array));

	if (!array)
		return -ENOMEM;
	ix->containers = array;
	ix->containers[ix->n_containers++] = (uint32_t)at;
	return 0;
}

static int add_place(struct json_index *ix, size_t container, size_t key, size_t value)
{
	struct json_place *array =
		grown(ix->places, &ix->places_size, ix->n_places, sizeof(*array));

	if (!array)
		return -ENOMEM;
	ix->places = array;
	ix->places[ix->n_places++] = (struct json_place){
		.container = (uint32_t)container,
		.key = (uint32_t)key,
		.value = (uint32_t)value,
	};
	return 0;
}

/* The next byte that is not white space, or -1 at the end. */
static int peek(struct scan *s)
{
	for (; s->at < s->text.n; s->at++) {
		char c = s->text.p[s->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return (unsigned char)c;
	}
	return -1;
}

static int unexpected(struct scan *s, const char *expected)
{
	int c = peek(s);

	if (c < 0)
		return fail(s->e, s->at, "expected %s, but the text ends here", expected);
	if (c < 0x21 || c > 0x7e)
		return fail(s->e, s->at, "expected %s, found the byte 0x%02x", expected,
			    (unsigned)c);
	return fail(s->e, s->at, "expected %s, found '%c'", expected, c);
}

static int scan_string(struct scan *s)
{
	size_t begin = s->at, end = string_end(s->text.p, s->text.n, begin);

	if (end >= s->text.n)
		return fail(s->e, begin, "this string has no closing quote");
	s->at = end + 1;
	return 0;
}

static bool is_scalar(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '+' || c == '.';
}

/* After a value: 1 to go on after a comma, 0 after the closing bracket. */
static int scan_separator(struct scan *s, char close)
{
	int c = peek(s);
	size_t comma = s->at;

	if (c == close) {
		s->at++;
		return 0;
	}
	if (c != ',')
		return unexpected(s, close == '}' ? "',' or '}'" : "',' or ']'");
	s->at++;
	if (peek(s) == close)
		return fail(s->e, comma, "a comma before the closing '%c' is not allowed", close);
	return 1;
}

static int scan_member(struct scan *s, size_t container, unsigned depth)
{
	size_t key;
	int r;

	if (peek(s) != '"')
		return unexpected(s, "a member name in double quotes");
	key = s->at;
	r = scan_string(s);
	if (r < 0)
		return r;
	if (peek(s) != ':')
		return unexpected(s, "':' after the member's name");
	s->at++;
	(void)peek(s);
	r = add_place(s->ix, container, key, s->at);
	return r < 0 ? r : scan_value(s, depth);
}

static int scan_element(struct scan *s, size_t container, unsigned depth)
{
	int r;

	(void)peek(s);
	r = add_place(s->ix, container, s->at, s->at);
	return r < 0 ? r : scan_value(s, depth);
}

static int scan_container(struct scan *s, char close, unsigned depth)
{
	size_t container = s->ix->n_containers;
	int r;

	if (depth >= JSON_INDEX_DEPTH_MAX)
		return fail(s->e, s->at, "nested deeper than %d levels", JSON_INDEX_DEPTH_MAX);
	r = add_container(s->ix, s->at);
	if (r < 0)
		return r;
	s->at++;
	if (peek(s) == close) {
		s->at++;
		return 0;
	}
	do {
		r = close == '}' ? scan_member(s, container, depth + 1)
				 : scan_element(s, container, depth + 1);
		if (r < 0)
			return r;
		r = scan_separator(s, close);
	} while (r > 0);
	return r;
}

/* Recursion is bounded by JSON_INDEX_DEPTH_MAX. */
static int scan_value(struct scan *s, unsigned depth)
{
	int c = peek(s);

	if (c == '{')
		return scan_container(s, '}', depth);
	if (c == '[')
		return scan_container(s, ']', depth);
	if (c == '"')
		return scan_string(s);
	if (!is_scalar(c))
		return unexpected(s, "a value");
	while (s->at < s->text.n && is_scalar((unsigned char)s->text.p[s->at]))
		s->at++;
	return 0;
}

int json_index_build(struct json_index *ix, struct slice text, struct json_index_error *e)
{
	struct scan s = { .ix = ix, .text = text, .e = e };
	int r;

	*ix = (struct json_index){ 0 };
	(void)peek(&s);
	ix->root = (uint32_t)s.at;
	r = scan_value(&s, 0);
	if (r < 0)
		return r;
	if (peek(&s) >= 0)
		return unexpected(&s, "the end of the text");
	return 0;
}

void json_index_done(struct json_index *ix)
{
	free(ix->containers);
	free(ix->places);
	*ix = (struct json_index){ 0 };
}

const struct json_place *json_index_find(const struct json_index *ix, size_t container, size_t nth)
{
	for (size_t i = 0; i < ix->n_places; i++)
		if (ix->places[i].container == container && nth-- == 0)
			return &ix->places[i];
	return NULL;
}

size_t json_index_token_before(const struct json_index *ix, size_t at)
{
	size_t best = ix->root;

	for (size_t i = 0; i < ix->n_places; i++) {
		const struct json_place *p = &ix->places[i];

		if (p->key < at && p->key > best)
			best = p->key;
		if (p->value < at && p->value > best)
			best = p->value;
	}
	return best;
}
