/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/form_part.h"

#include "base/utf8.h"

/* RFC 9110 5.6.2. */
static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct slice take_token(struct slice *s)
{
	struct slice t = *s;

	t.n = 0;
	while (t.n < s->n && is_token_char(s->p[t.n]))
		t.n++;
	*s = slice_of(s->p + t.n, s->n - t.n);
	return t;
}

/* A backslash is refused: readers differ in whether it escapes. */
static int take_quoted(struct slice *s, struct slice *ret)
{
	size_t i = 1;

	while (i < s->n && s->p[i] != '"' && s->p[i] != '\\')
		i++;
	if (i >= s->n || s->p[i] != '"')
		return -EINVAL;
	*ret = slice_of(s->p + 1, i - 1);
	*s = slice_of(s->p + i + 1, s->n - i - 1);
	return 0;
}

/* The next "; name=value" of a field's parameters. 0: there is none, 1: set, -EINVAL. */
static int take_parameter(struct slice *s, struct slice *ret_name, struct slice *ret_value)
{
	struct slice rest = slice_trim(*s);

	if (rest.n == 0)
		return 0;
	if (rest.p[0] != ';')
		return -EINVAL;
	rest = slice_trim(slice_of(rest.p + 1, rest.n - 1));
	*ret_name = take_token(&rest);
	if (ret_name->n == 0 || rest.n < 2 || rest.p[0] != '=')
		return -EINVAL;
	rest = slice_of(rest.p + 1, rest.n - 1);
	if (rest.p[0] == '"') {
		if (take_quoted(&rest, ret_value) < 0)
			return -EINVAL;
	} else {
		*ret_value = take_token(&rest);
		if (ret_value->n == 0)
			return -EINVAL;
	}
	*s = rest;
	return 1;
}

static bool is_boundary(struct slice b)
{
	if (b.n == 0 || b.n > FORM_BOUNDARY_MAX || b.p[b.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < b.n; i++) {
		char c = ascii_lower(b.p[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		      (c && strchr("'()+_,-./:=? ", c))))
			return false;
	}
	return true;
}

int form_boundary(struct slice content_type, struct slice *ret)
{
	struct slice rest = slice_trim(content_type), name, value, boundary = { 0 };
	struct slice type = slice_of(rest.p, rest.n < 19 ? rest.n : 19);
	int r;

	if (!slice_ieq(type, SLICE("multipart/form-data")))
		return -EINVAL;
	rest = slice_of(rest.p + type.n, rest.n - type.n);
	while ((r = take_parameter(&rest, &name, &value)) > 0) {
		/* boundary*= and boundary*0= are other spellings that some readers honour. */
		if (name.n > 8 && slice_ieq(slice_of(name.p, 9), SLICE("boundary*")))
			return -EINVAL;
		if (!slice_ieq(name, SLICE("boundary")))
			continue;
		if (boundary.p || !is_boundary(value))
			return -EINVAL;
		boundary = value;
	}
	if (r < 0 || !boundary.p)
		return -EINVAL;
	*ret = boundary;
	return 0;
}

static int read_disposition(struct slice v, struct form_part *part)
{
	struct slice type = take_token(&v), name, value;
	int r;

	if (part->name.p || !slice_ieq(type, SLICE("form-data")))
		return -EINVAL;
	while ((r = take_parameter(&v, &name, &value)) > 0) {
		if (slice_ieq(name, SLICE("name"))) {
			if (part->name.p || value.n == 0 || !utf8_is_text(value))
				return -EINVAL;
			part->name = value;
		} else if (slice_ieq(name, SLICE("filename"))) {
			if (part->has_filename)
				return -EINVAL;
			part->has_filename = true;
		} else if (name.n > 4 && slice_ieq(slice_of(name.p, 5), SLICE("name*"))) {
			return -EINVAL;
		} else if (name.n > 8 && slice_ieq(slice_of(name.p, 9), SLICE("filename*"))) {
			part->has_filename = true;
		}
	}
	return r < 0 || !part->name.p ? -EINVAL : 0;
}

static bool is_plain_type(struct slice v)
{
	struct slice name, value;
	int r;

	if (v.n < 10 || !slice_ieq(slice_of(v.p, 10), SLICE("text/plain")))
		return false;
	v = slice_of(v.p + 10, v.n - 10);
	while ((r = take_parameter(&v, &name, &value)) > 0)
		if (!slice_ieq(name, SLICE("charset")) ||
		    !(slice_ieq(value, SLICE("utf-8")) || slice_ieq(value, SLICE("us-ascii"))))
			return false;
	return r == 0;
}

static int read_field(struct slice name, struct slice value, struct form_part *part)
{
	if (slice_ieq(name, SLICE("content-disposition")))
		return read_disposition(value, part);
	if (!slice_ieq(name, SLICE("content-type")) || !is_plain_type(value))
		part->is_plain = false;
	return 0;
}

int form_part_parse(struct slice head, struct form_part *ret)
{
	struct form_part part = { .is_plain = true };

	while (head.n) {
		const char *lf = memchr(head.p, '\n', head.n);
		struct slice line, name;

		if (!lf || lf == head.p || lf[-1] != '\r')
			return -EINVAL;
		line = slice_of(head.p, (size_t)(lf - head.p) - 1);
		head = slice_of(lf + 1, head.n - (size_t)(lf + 1 - head.p));
		name = take_token(&line);
		/* No name also means a line that continues the one before: obsolete and ambiguous.
		 */
		if (name.n == 0 || line.n == 0 || line.p[0] != ':' ||
		    memchr(line.p, '\r', line.n) || memchr(line.p, '\0', line.n))
			return -EINVAL;
		if (read_field(name, slice_trim(slice_of(line.p + 1, line.n - 1)), &part) < 0)
			return -EINVAL;
	}
	/* HTML's _charset_ part would change how the others are decoded. */
	if (!part.name.p || slice_ieq(part.name, SLICE("_charset_")))
		return -EINVAL;
	*ret = part;
	return 0;
}
