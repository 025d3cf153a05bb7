/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/form.h"

#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "cli/when.h"

#define CELL_MAX (4u << 20)
#define SOME	 3 /* of a list in a table */

static int append_bytes(struct buf *out, json_int_t n)
{
	static const char units[] = "KMGTP";
	double size = (double)n;
	int i = -1;

	if (n < 1024)
		return buf_printf(out, "%lld", (long long)n);
	while (size >= 1024 && i + 1 < (int)sizeof(units) - 1) {
		size /= 1024;
		i++;
	}
	return buf_printf(out, "%.1f%c", size, units[i]);
}

static int append_number(struct buf *out, json_int_t n, enum form form)
{
	char text[WHEN_MAX];

	switch (form) {
	case FORM_TIME:
		when_format((uint64_t)n, text);
		return buf_printf(out, "%s", text);
	case FORM_DURATION:
		when_format_duration((uint64_t)n, text);
		return buf_printf(out, "%s", text);
	case FORM_DURATION_NS:
		if (n < 1000)
			return buf_printf(out, "%lldns", (long long)n);
		when_format_duration((uint64_t)n / 1000, text);
		return buf_printf(out, "%s", text);
	case FORM_BYTES:
		return append_bytes(out, n);
	case FORM_TEXT:
	case FORM_SOME:
	case FORM_COUNT:
	case FORM_LABELS:
		break;
	}
	return buf_printf(out, "%lld", (long long)n);
}

static int append_scalar(struct buf *out, const json_t *v, enum form form)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return text_escape(out, slice_of(json_string_value(v), json_string_length(v)));
	case JSON_INTEGER:
		return append_number(out, json_integer_value(v), form);
	case JSON_TRUE:
		return buf_append(out, "yes", 3);
	case JSON_FALSE:
		return buf_append(out, "no", 2);
	case JSON_REAL:
		return buf_printf(out, "%g", json_real_value(v));
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return 0;
}

static int append_value(struct buf *out, const json_t *v, enum form form);

static int append_labels(struct buf *out, const json_t *object)
{
	bool first = true;
	const char *key;
	json_t *v;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		if (r == 0 && !first)
			r = buf_append(out, ",", 1);
		if (r == 0)
			r = text_escape(out, slice_str(key));
		if (r == 0)
			r = buf_append(out, "=", 1);
		if (r == 0)
			r = append_value(out, v, FORM_TEXT);
		first = false;
	}
	return r;
}

static int append_value(struct buf *out, const json_t *v, enum form form)
{
	size_t i;
	json_t *item;
	int r = 0;

	if (json_is_object(v))
		return append_labels(out, v);
	if (!json_is_array(v))
		return append_scalar(out, v, form);
	json_array_foreach(v, i, item)
	{
		if (r == 0 && form == FORM_SOME && i == SOME && json_array_size(v) > SOME + 1)
			return buf_printf(out, ",+%zu", json_array_size(v) - SOME);
		if (r == 0 && i)
			r = buf_append(out, ",", 1);
		if (r == 0)
			r = append_value(out, item, form);
	}
	return r;
}

int form_append(struct buf *out, const json_t *row, const struct column *c)
{
	const json_t *v = json_object_get(row, c->key);

	return v ? append_value(out, v, c->form) : 0;
}

char *form_text(const json_t *row, const struct column *c)
{
	struct buf out;
	char *text = NULL;

	buf_init(&out, CELL_MAX);
	if (form_append(&out, row, c) == 0)
		text = buf_len(&out) ? strndup(buf_slice(&out).p, buf_len(&out)) : strdup("-");
	buf_release(&out);
	return text;
}
