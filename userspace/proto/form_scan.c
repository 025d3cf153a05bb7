/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine over bytes. In content only LF is looked for: "LF -- boundary" is where any
 * reader may cut, and it must be our kind of cut (CR before it, then CR LF or the closing "--").
 */
#include "proto/form_scan.h"

#include <errno.h>

#include "base/utf8.h"
#include "proto/form_part.h"

#define HEAD_MAX     8192
#define VALUE_MAX    1024
#define PARTS_MAX    1000
#define NAMES_MAX    8
#define NOT_GOVERNED ((unsigned)-1)

/*
 * START -> AFTER (delimiter complete) -> HEAD -> CONTENT -> AFTER ... -> END
 */
enum state {
	START, /* the first delimiter, which has no CR LF before it */
	AFTER, /* behind a delimiter: CR LF or -- */
	HEAD, /* fields of a part, up to the empty line */
	CONTENT, /* its content, up to CR LF -- boundary */
	END, /* behind the closing delimiter: nothing, or one CR LF */
};

struct form_scan {
	enum state state;
	struct pool *pool;
	const char *const *names;
	size_t n_names;
	unsigned seen; /* governed names that were here already (bits) */
	unsigned parts;
	char delimiter[3 + FORM_BOUNDARY_MAX]; /* LF -- boundary */
	size_t delimiter_n;
	size_t matched; /* bytes of the delimiter that the input ends with */
	bool cr_before; /* the byte before the matched LF was CR */
	char last; /* the byte before this one, within the content */
	char after[2]; /* what follows a delimiter */
	size_t after_n;
	char *head; /* HEAD_MAX bytes, in the pool */
	size_t head_n;
	unsigned governed; /* name of the part we are in, or NOT_GOVERNED */
	char *value; /* VALUE_MAX and room for a delimiter, in the pool */
	size_t value_n;
	struct form_scan_value values[NAMES_MAX];
	size_t n_values;
	enum form_scan_result error;
};

struct form_scan *form_scan_new(struct slice content_type, const char *const *names, size_t n_names,
				struct pool *pool)
{
	struct slice boundary;
	struct form_scan *s;

	if (n_names > NAMES_MAX || form_boundary(content_type, &boundary) < 0) {
		errno = EINVAL;
		return NULL;
	}
	s = pool_zalloc(pool, sizeof(*s));
	if (!s)
		return NULL;
	s->head = pool_alloc(pool, HEAD_MAX);
	s->value = pool_alloc(pool, VALUE_MAX + sizeof(s->delimiter) + 1);
	if (!s->head || !s->value)
		return NULL;
	s->pool = pool;
	s->names = names;
	s->n_names = n_names;
	memcpy(s->delimiter, "\n--", 3);
	memcpy(s->delimiter + 3, boundary.p, boundary.n);
	s->delimiter_n = 3 + boundary.n;
	s->matched = 1; /* as if a LF stood before the first one */
	return s;
}

/* All its memory is the pool's. */
struct form_scan *form_scan_free(struct form_scan *s)
{
	(void)s;
	return NULL;
}

static enum form_scan_result fail(struct form_scan *s, enum form_scan_result r)
{
	s->error = r;
	return r;
}

/* The content of a governed part is complete but for the delimiter it still ends with. */
static enum form_scan_result end_value(struct form_scan *s)
{
	struct slice text;

	if (s->governed == NOT_GOVERNED)
		return FORM_SCAN_OK;
	text = slice_of(s->value, s->value_n - s->delimiter_n - 1);
	if (text.n > VALUE_MAX || !utf8_is_text(text))
		return fail(s, FORM_SCAN_BAD_VALUE);
	text = pool_dup(s->pool, text);
	if (!text.p)
		return fail(s, FORM_SCAN_NO_MEMORY);
	s->values[s->n_values++] = (struct form_scan_value){ s->governed, text };
	return FORM_SCAN_OK;
}

static enum form_scan_result on_head(struct form_scan *s)
{
	struct form_part part;

	/* Without the empty line that ended it. */
	if (form_part_parse(slice_of(s->head, s->head_n - 2), &part) < 0)
		return fail(s, FORM_SCAN_MALFORMED);
	s->governed = NOT_GOVERNED;
	for (unsigned i = 0; i < s->n_names; i++) {
		if (!utf8_same_but_case(part.name, slice_str(s->names[i])))
			continue;
		if (!slice_eq(part.name, slice_str(s->names[i])))
			return fail(s, FORM_SCAN_MALFORMED);
		s->governed = i;
	}
	s->value_n = 0;
	s->state = CONTENT;
	s->matched = 1; /* the head's last LF; "--boundary" right behind it is nobody's end */
	s->cr_before = false;
	s->last = '\n';
	if (s->governed == NOT_GOVERNED)
		return FORM_SCAN_OK;
	if (s->seen & 1u << s->governed)
		return fail(s, FORM_SCAN_DUPLICATE);
	s->seen |= 1u << s->governed;
	return part.has_filename || !part.is_plain ? fail(s, FORM_SCAN_BAD_VALUE) : FORM_SCAN_OK;
}

static enum form_scan_result feed_head(struct form_scan *s, char c)
{
	if (s->head_n == HEAD_MAX)
		return fail(s, FORM_SCAN_MALFORMED);
	s->head[s->head_n++] = c;
	if (c != '\n')
		return FORM_SCAN_OK;
	/* An empty line: after the fields, or at once (then there is no name). */
	if ((s->head_n >= 4 && memcmp(s->head + s->head_n - 4, "\r\n\r\n", 4) == 0) ||
	    (s->head_n == 2 && s->head[0] == '\r'))
		return on_head(s);
	return FORM_SCAN_OK;
}

static enum form_scan_result feed_after(struct form_scan *s, char c)
{
	s->after[s->after_n++] = c;
	if (s->after_n < 2)
		return c == '\r' || c == '-' ? FORM_SCAN_OK : fail(s, FORM_SCAN_MALFORMED);
	s->after_n = 0;
	if (s->after[0] == '-' && c == '-') {
		s->state = END;
		return FORM_SCAN_OK;
	}
	if (s->after[0] != '\r' || c != '\n')
		return fail(s, FORM_SCAN_MALFORMED);
	if (s->parts++ == PARTS_MAX)
		return fail(s, FORM_SCAN_TOO_MANY);
	s->state = HEAD;
	s->head_n = 0;
	return FORM_SCAN_OK;
}

static enum form_scan_result on_delimiter(struct form_scan *s)
{
	bool first = s->state == START;

	if (!first && !s->cr_before)
		return fail(s, FORM_SCAN_MALFORMED);
	s->state = AFTER;
	s->matched = 0;
	return first ? FORM_SCAN_OK : end_value(s);
}

static enum form_scan_result feed_content(struct form_scan *s, char c)
{
	if (s->governed != NOT_GOVERNED) {
		if (s->value_n == VALUE_MAX + s->delimiter_n + 1)
			return fail(s, FORM_SCAN_BAD_VALUE);
		s->value[s->value_n++] = c;
	}
	if (s->matched && c == s->delimiter[s->matched]) {
		s->last = c;
		return ++s->matched == s->delimiter_n ? on_delimiter(s) : FORM_SCAN_OK;
	}
	/* LF stands nowhere else in a delimiter, so a new match can only begin here. */
	s->matched = c == '\n';
	s->cr_before = s->last == '\r';
	s->last = c;
	return FORM_SCAN_OK;
}

static enum form_scan_result feed_byte(struct form_scan *s, char c)
{
	switch (s->state) {
	case START:
		if (c != s->delimiter[s->matched])
			return fail(s, FORM_SCAN_MALFORMED);
		return ++s->matched == s->delimiter_n ? on_delimiter(s) : FORM_SCAN_OK;
	case AFTER:
		return feed_after(s, c);
	case HEAD:
		return feed_head(s, c);
	case CONTENT:
		return feed_content(s, c);
	case END:
		s->after_n++;
		return s->after_n <= 2 && c == "\r\n"[s->after_n - 1]
			       ? FORM_SCAN_OK
			       : fail(s, FORM_SCAN_MALFORMED);
	}
	return fail(s, FORM_SCAN_MALFORMED);
}

/* Bytes of a file that cannot matter: up to the next LF, less the byte before it. */
static size_t skip(struct form_scan *s, struct slice rest)
{
	const char *lf;
	size_t n;

	if (s->state != CONTENT || s->governed != NOT_GOVERNED || s->matched)
		return 0;
	lf = memchr(rest.p, '\n', rest.n);
	n = lf ? (size_t)(lf - rest.p) : rest.n;
	if (n)
		s->last = rest.p[n - 1];
	return n;
}

enum form_scan_result form_scan_feed(struct form_scan *s, struct slice piece)
{
	for (size_t i = 0; i < piece.n && s->error == FORM_SCAN_OK; i++) {
		i += skip(s, slice_of(piece.p + i, piece.n - i));
		if (i < piece.n)
			(void)feed_byte(s, piece.p[i]); /* s->error says */
	}
	return s->error;
}

enum form_scan_result form_scan_finish(struct form_scan *s)
{
	if (s->error == FORM_SCAN_OK && (s->state != END || s->after_n == 1))
		return fail(s, FORM_SCAN_MALFORMED);
	return s->error;
}

size_t form_scan_values(const struct form_scan *s, const struct form_scan_value **ret)
{
	*ret = s->values;
	return s->n_values;
}
