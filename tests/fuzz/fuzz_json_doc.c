/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that people write: whatever is accepted has a place for every value; whatever is refused
 * names a place inside the text. The first byte bounds the size that is allowed.
 */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"

static size_t lines_of(struct slice text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

static void check_place(const struct diag *d, struct slice text)
{
	assert(d->line >= 1 && d->line <= lines_of(text));
	assert(d->col >= 1 && d->col <= text.n + 1);
	assert(d->text[0]);
}

/* The byte at a line and column: columns do not count UTF-8's continuation bytes. */
static size_t offset_of(const struct diag *d, struct slice text)
{
	size_t at = 0, col = 0;

	for (unsigned line = 1; line < d->line; at++)
		line += text.p[at] == '\n';
	for (; at < text.n; at++)
		if (((unsigned char)text.p[at] & 0xc0) != 0x80 && ++col == d->col)
			return at;
	return text.n;
}

/* A value's place begins like the value: a bracket, a quote, or neither. */
static void check_value(const json_t *v, const struct diag *d, struct slice text)
{
	size_t at;

	check_place(d, text);
	at = offset_of(d, text);
	assert(at < text.n);
	assert((text.p[at] == '{') == json_is_object(v));
	assert((text.p[at] == '[') == json_is_array(v));
	assert((text.p[at] == '"') == json_is_string(v));
}

static void walk(const struct json_doc *doc, json_t *in, struct slice text)
{
	static const char *const known[] = { "a", "model", NULL };
	struct diag d;
	const char *key;
	json_t *v;
	size_t i;

	json_array_foreach(in, i, v)
	{
		(void)json_doc_error_at(doc, &d, in, i, "x");
		check_value(v, &d, text);
		walk(doc, v, text);
	}
	json_object_foreach(in, key, v)
	{
		(void)json_doc_error(doc, &d, in, key, false, "x");
		check_value(v, &d, text);
		(void)json_doc_error(doc, &d, in, key, true, "x");
		check_place(&d, text);
		walk(doc, v, text);
	}
	if (json_is_object(in) && json_doc_only(doc, &d, in, known) < 0)
		check_place(&d, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data + 1, size ? size - 1 : 0);
	struct json_doc *doc = NULL;
	struct diag d = { 0 };
	size_t max;
	int r;

	/* The walk is quadratic; long texts find nothing that short ones do not. */
	if (size < 1 || size > 4096)
		return 0;
	max = data[0] == 0xff ? SIZE_MAX : (size_t)data[0] * 16;
	r = json_doc_parse("fuzz", text, max, &d, &doc);
	assert((text.n > max) == (r == -EMSGSIZE));
	if (r == -EINVAL)
		check_place(&d, text);
	if (r == 0)
		walk(doc, json_doc_root(doc), text);
	json_doc_free(doc);
	return 0;
}
