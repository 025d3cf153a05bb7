/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json_index.h"
#include "base/nearest.h"

#define NAME_SHOWN_MAX 64 /* bytes of a member's name that a message repeats */

struct json_doc {
	char *file;
	char *text; /* as written, comments included: columns are counted in it */
	size_t n;
	json_t *root;
	struct json_index index;
};

static const char *name_of_file(const char *file)
{
	return file ? file : "";
}

/* Line and column (in characters, from 1) of a byte. */
static void place_of(struct slice text, size_t at, unsigned *ret_line, unsigned *ret_col)
{
	unsigned line = 1, col = 1;

	for (size_t i = 0; i < at && i < text.n; i++) {
		if (text.p[i] == '\n') {
			line++;
			col = 1;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			col++;
		}
	}
	*ret_line = line;
	*ret_col = col;
}

static int fail_at(struct diag *d, const char *file, struct slice text, size_t at,
		   const char *message)
{
	unsigned line, col;

	if (!d)
		return -EINVAL;
	(void)slice_copy(slice_str(name_of_file(file)), d->file, sizeof(d->file));
	place_of(text, at, &line, &col);
	return diag_at(d, line, col, "%s", message);
}

static int fail_file(struct diag *d, const char *file, int error, const char *fmt, ...)
	_printf_(4, 5);

static int fail_file(struct diag *d, const char *file, int error, const char *fmt, ...)
{
	va_list ap;

	if (!d)
		return error;
	(void)slice_copy(slice_str(name_of_file(file)), d->file, sizeof(d->file));
	d->line = d->col = 0;
	va_start(ap, fmt);
	(void)vsnprintf(d->text, sizeof(d->text), fmt, ap);
	va_end(ap);
	return error;
}

/* What jansson says names bytes of the text: control characters do not go to a terminal. */
static void printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static int fail_jansson(struct json_doc *doc, struct diag *d, json_error_t *e)
{
	size_t end = e->position > 0 ? (size_t)e->position : 0;

	if (json_error_code(e) == json_error_out_of_memory)
		return -ENOMEM;
	printable(e->text);
	return fail_at(d, doc->file, slice_of(doc->text, doc->n),
		       json_index_token_before(&doc->index, end), e->text);
}

static int parse(struct json_doc *doc, struct diag *d)
{
	_cleanup_free_ char *blanked = malloc(doc->n + 1);
	struct slice text = { doc->text, doc->n };
	struct json_index_error e = { 0 };
	json_error_t je;
	int r;

	if (!blanked)
		return -ENOMEM;
	memcpy(blanked, doc->text, doc->n + 1);
	r = json_index_blank_comments(blanked, doc->n, &e);
	if (r == 0)
		r = json_index_build(&doc->index, slice_of(blanked, doc->n), &e);
	if (r < 0)
		return r == -EINVAL ? fail_at(d, doc->file, text, e.at, e.text) : r;
	doc->root = json_loadb(blanked, doc->n, JSON_REJECT_DUPLICATES, &je);
	return doc->root ? 0 : fail_jansson(doc, d, &je);
}

static void doc_freep(struct json_doc **doc)
{
	*doc = json_doc_free(*doc);
}

int json_doc_parse(const char *file, struct slice text, size_t max, struct diag *d,
		   struct json_doc **ret)
{
	_cleanup_(doc_freep) struct json_doc *doc = NULL;
	int r;

	if (text.n > max || text.n >= UINT32_MAX)
		return fail_file(d, file, -EMSGSIZE, "larger than the %zu bytes allowed", max);
	doc = calloc(1, sizeof(*doc));
	if (!doc)
		return -ENOMEM;
	doc->file = strdup(name_of_file(file));
	doc->text = malloc(text.n + 1);
	if (!doc->file || !doc->text)
		return -ENOMEM;
	(void)slice_copy(text, doc->text, text.n + 1);
	doc->n = text.n;
	r = parse(doc, d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

/* One byte more than `max` is asked for, so that a longer file is seen to be one. */
static int read_all(int fd, size_t max, struct buf *b)
{
	buf_init(b, max + 1);
	while (buf_len(b) <= max) {
		size_t room = max + 1 - buf_len(b);
		char *to;
		ssize_t n;

		room = room < 65536 ? room : 65536;
		to = buf_reserve(b, room);
		if (!to)
			return -errno;
		n = pread(fd, to, room, (off_t)buf_len(b));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(b, (size_t)n);
	}
	return 0;
}

int json_doc_read(const char *file, int fd, size_t max, struct diag *d, struct json_doc **ret)
{
	_cleanup_(buf_release) struct buf b = { 0 };
	int r = max < UINT32_MAX ? read_all(fd, max, &b) : -EINVAL;

	if (r < 0)
		return fail_file(d, file, r, "cannot read: %s", strerror(-r));
	return json_doc_parse(file, buf_slice(&b), max, d, ret);
}

struct json_doc *json_doc_free(struct json_doc *doc)
{
	if (!doc)
		return NULL;
	json_decref(doc->root);
	json_index_done(&doc->index);
	free(doc->text);
	free(doc->file);
	free(doc);
	return NULL;
}

json_t *json_doc_root(const struct json_doc *doc)
{
	return doc->root;
}

const char *json_doc_file(const struct json_doc *doc)
{
	return doc->file;
}

/*
 * The number of a container: json_index counts them in the order of the text, and jansson keeps
 * members in that order, so walking the tree in step finds it. Depth is bounded by json_index.
 */
static bool find_container(const json_t *in, const json_t *wanted, size_t *number)
{
	if (!json_is_object(in) && !json_is_array(in))
		return false;
	if (in == wanted)
		return true;
	(*number)++;
	if (json_is_array(in)) {
		for (size_t i = 0; i < json_array_size(in); i++)
			if (find_container(json_array_get(in, i), wanted, number))
				return true;
		return false;
	}
	/* jansson's iterators take a non-const object and do not change it. */
	for (void *it = json_object_iter((json_t *)(uintptr_t)in); it;
	     it = json_object_iter_next((json_t *)(uintptr_t)in, it))
		if (find_container(json_object_iter_value(it), wanted, number))
			return true;
	return false;
}

/* Position of a key among its object's members; SIZE_MAX when it is not there. */
static size_t nth_member(const json_t *object, const char *key)
{
	size_t n = 0;

	for (void *it = json_object_iter((json_t *)(uintptr_t)object); it;
	     it = json_object_iter_next((json_t *)(uintptr_t)object, it), n++)
		if (strcmp(json_object_iter_key(it), key) == 0)
			return n;
	return SIZE_MAX;
}

/* nth SIZE_MAX: the container's own beginning. */
static size_t offset_of(const struct json_doc *doc, const json_t *container, size_t nth,
			bool at_key)
{
	const struct json_place *place = NULL;
	size_t number = 0;

	if (!container || !find_container(doc->root, container, &number))
		return doc->index.root;
	if (nth != SIZE_MAX)
		place = json_index_find(&doc->index, number, nth);
	if (!place)
		return doc->index.containers[number];
	return at_key ? place->key : place->value;
}

static int verror(const struct json_doc *doc, struct diag *d, size_t at, const char *fmt,
		  va_list ap) _printf_(4, 0);

static int verror(const struct json_doc *doc, struct diag *d, size_t at, const char *fmt,
		  va_list ap)
{
	char text[sizeof(d->text)];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	return fail_at(d, doc->file, slice_of(doc->text, doc->n), at, text);
}

int json_doc_error(const struct json_doc *doc, struct diag *d, const json_t *parent,
		   const char *key, bool at_key, const char *fmt, ...)
{
	size_t nth = parent && key ? nth_member(parent, key) : SIZE_MAX;
	va_list ap;

	va_start(ap, fmt);
	(void)verror(doc, d, offset_of(doc, parent, nth, at_key), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int json_doc_error_at(const struct json_doc *doc, struct diag *d, const json_t *array, size_t index,
		      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)verror(doc, d, offset_of(doc, array, index, false), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int unknown_member(const struct json_doc *doc, struct diag *d, const json_t *object,
			  const char *key, const char *const *allowed)
{
	struct nearest meant;
	char shown[NAME_SHOWN_MAX + 1], list[300] = "";
	size_t used = 0;

	(void)slice_copy(slice_str(key), shown, sizeof(shown));
	printable(shown);
	nearest_init(&meant, slice_str(key));
	for (size_t i = 0; allowed[i]; i++)
		nearest_offer(&meant, slice_str(allowed[i]));
	if (meant.best.n) {
		nearest_hint(&meant, list, sizeof(list));
		return json_doc_error(doc, d, object, key, true, "unknown member \"%s\"%s", shown,
				      list);
	}
	for (; *allowed && used < sizeof(list); allowed++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s\"%s\"",
					 used ? ", " : "", *allowed);
	return json_doc_error(doc, d, object, key, true, "unknown member \"%s\"; known here: %s",
			      shown, list);
}

int json_doc_only(const struct json_doc *doc, struct diag *d, const json_t *object,
		  const char *const *allowed)
{
	for (void *it = json_object_iter((json_t *)(uintptr_t)object); it;
	     it = json_object_iter_next((json_t *)(uintptr_t)object, it)) {
		const char *key = json_object_iter_key(it);
		size_t i = 0;

		while (allowed[i] && strcmp(allowed[i], key) != 0)
			i++;
		if (!allowed[i])
			return unknown_member(doc, d, object, key, allowed);
	}
	return 0;
}
