/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yajl validates and cuts into tokens (json_skip.h spares it most of a long one); here is only
 * where in the document each token stands, kept for as many levels as the longest path has: below
 * that nothing can be governed.
 */
#include "proto/json_scan.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/utf8.h"
#include "proto/json_path.h"
#include "proto/json_skip.h"
#include "proto/yajl_pool.h"

#define FIRST_ROOM 8
#define AT_ONCE	   4096u /* bytes of a body that are read as they come */
#define NO_KEY	   ((unsigned)-1)

/* A container that is open and on the way of some path. */
struct frame {
	uint8_t at[JSON_SCAN_KEYS_MAX]; /* steps that led here, plus 1; 0: not on that want's way */
	uint8_t next; /* wants whose next step the coming value is (bits) */
	uint8_t seen; /* wants whose next step's key was here already (bits) */
	bool is_array;
	size_t object; /* offset just after '{' */
};

struct offsets {
	size_t *p;
	size_t n, room;
};

struct json_scan {
	yajl_handle yajl;
	struct yajl_pool memory; /* yajl's */
	struct pool *pool;
	const struct json_scan_plan *plan;
	unsigned depth, depth_max;
	struct slice body;
	struct json_skip skip;
	size_t fed; /* bytes of the body that yajl has had, or need not, before the running call */
	size_t utf8; /* bytes of the body that are known to be whole UTF-8 sequences */
	size_t key_end; /* offset just after the governed key whose value comes */
	size_t top;
	struct json_scan_value *values;
	size_t n_values, values_room;
	struct offsets objects[JSON_SCAN_KEYS_MAX];
	size_t n_objects; /* over all keys */
	enum json_scan_result error;
	unsigned error_key;
	/* Not zero at first: each is written before it is read. */
	struct frame frame[JSON_PATH_STEPS_MAX + 1];
};

static int fail(struct json_scan *s, enum json_scan_result r, unsigned key)
{
	s->error = r;
	s->error_key = key;
	return 0; /* tells yajl to stop */
}

static size_t offset(const struct json_scan *s)
{
	return s->fed + yajl_get_bytes_consumed(s->yajl);
}

/* The innermost container if it is on any want's way. */
static struct frame *here(struct json_scan *s)
{
	return s->depth && s->depth <= ARRAY_SIZE(s->frame) ? &s->frame[s->depth - 1] : NULL;
}

/* Room for one more element in an array that lives in the pool; NULL: none. */
static void *grow(struct json_scan *s, void *p, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : FIRST_ROOM;
	void *bigger;

	if (n < *room)
		return p;
	bigger = pool_alloc(s->pool, more * size);
	if (bigger && n)
		memcpy(bigger, p, n * size);
	if (bigger)
		*room = more;
	return bigger;
}

/* ---- where a value starts, and what its text is ---- */

static size_t skip_space(const struct json_scan *s, size_t at)
{
	while (at < s->body.n && memchr(" \t\r\n", s->body.p[at], 4))
		at++;
	return at;
}

/* The value of the governed key that ended at key_end: after the colon. */
static size_t value_start(const struct json_scan *s)
{
	return skip_space(s, skip_space(s, s->key_end) + 1);
}

/* "D8".."DB" begin a high surrogate, "DC".."DF" a low one. */
static bool is_surrogate(const char *hex, bool high)
{
	char c = ascii_lower(hex[1]);

	if (ascii_lower(hex[0]) != 'd')
		return false;
	return high ? c == '8' || c == '9' || c == 'a' || c == 'b' : c >= 'c' && c <= 'f';
}

/* Whether every \u surrogate in a string literal is one of a pair: yajl would pass others as '?'.
 */
static bool has_paired_surrogates(struct slice raw)
{
	for (size_t i = 0; i + 1 < raw.n; i++) {
		if (raw.p[i] != '\\')
			continue;
		i++;
		if (raw.p[i] != 'u' || i + 4 >= raw.n)
			continue;
		if (is_surrogate(raw.p + i + 1, false))
			return false;
		if (!is_surrogate(raw.p + i + 1, true))
			continue;
		if (i + 10 >= raw.n || raw.p[i + 5] != '\\' || raw.p[i + 6] != 'u' ||
		    !is_surrogate(raw.p + i + 7, false))
			return false;
		i += 10;
	}
	return true;
}

static int add_value(struct json_scan *s, unsigned key, size_t object, struct json_scan_value v)
{
	void *p;

	if (!(s->plan->want[key].types & 1u << v.type))
		return fail(s, JSON_SCAN_BAD_VALUE, key);
	if (s->n_values == JSON_SCAN_VALUES_MAX)
		return fail(s, JSON_SCAN_TOO_MANY, key);
	p = grow(s, s->values, s->n_values, &s->values_room, sizeof(*s->values));
	if (!p)
		return fail(s, JSON_SCAN_NO_MEMORY, key);
	s->values = p;
	v.key = key;
	v.start = value_start(s);
	v.end = offset(s);
	v.object = object;
	if (v.type == JSON_SCAN_STRING) {
		struct slice raw = slice_of(s->body.p + v.start, v.end - v.start);

		if (!utf8_is_text(v.text) || !has_paired_surrogates(raw))
			return fail(s, JSON_SCAN_BAD_VALUE, key);
		v.text = pool_dup(s->pool, v.text);
		if (!v.text.p)
			return fail(s, JSON_SCAN_NO_MEMORY, key);
	}
	s->values[s->n_values++] = v;
	return 1;
}

/* ---- what yajl calls ---- */

/* A scalar; v tells what (NULL: one that cannot be a governed value). */
static int on_scalar(struct json_scan *s, const struct json_scan_value *v)
{
	struct frame *f = here(s);
	unsigned next;

	if (s->depth == 0)
		return fail(s, JSON_SCAN_MALFORMED, NO_KEY);
	next = f ? f->next : 0;
	for (unsigned i = 0; next; i++, next >>= 1) {
		if (!(next & 1))
			continue;
		/* Not the last step: a container should have come. */
		if (!v || f->at[i] != s->plan->path[i].n)
			return fail(s, JSON_SCAN_BAD_VALUE, i);
		if (!add_value(s, i, f->object, *v))
			return 0;
	}
	if (f && !f->is_array)
		f->next = 0;
	return 1;
}

static int on_null(void *ctx)
{
	return on_scalar(ctx, &(struct json_scan_value){ .type = JSON_SCAN_NULL });
}

static int on_boolean(void *ctx, int value)
{
	return on_scalar(ctx,
			 &(struct json_scan_value){ .type = JSON_SCAN_BOOL, .number = value != 0 });
}

/* Any number is fine where nothing governs; a governed one must be a plain natural number. */
static int on_number(void *ctx, const char *p, size_t n)
{
	struct json_scan_value v = { .type = JSON_SCAN_UINT };

	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9' || __builtin_mul_overflow(v.number, 10, &v.number) ||
		    __builtin_add_overflow(v.number, p[i] - '0', &v.number))
			return on_scalar(ctx, NULL);
	return on_scalar(ctx, &v);
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
	return on_scalar(
		ctx, &(struct json_scan_value){ .type = JSON_SCAN_STRING, .text = slice_of(p, n) });
}

/* Whether the literal that ends at `end` is the key as it stands, without escapes. */
static bool is_literal(const struct json_scan *s, size_t end, struct slice key)
{
	return end >= key.n + 2 && s->body.p[end - 1] == '"' && s->body.p[end - key.n - 2] == '"' &&
	       memcmp(s->body.p + end - key.n - 1, key.p, key.n) == 0;
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
	struct json_scan *s = ctx;
	struct frame *f = here(s);
	struct slice key = slice_of(p, n);

	if (!f)
		return 1;
	f->next = 0;
	for (unsigned i = 0; i < s->plan->n; i++) {
		const struct json_path *path = &s->plan->path[i];

		if (!f->at[i] || !utf8_same_but_case(key, path->step[f->at[i] - 1].key))
			continue;
		s->key_end = offset(s);
		if (!is_literal(s, s->key_end, path->step[f->at[i] - 1].key))
			return fail(s, JSON_SCAN_ESCAPED, i);
		if (f->seen & 1u << i)
			return fail(s, JSON_SCAN_DUPLICATE, i);
		f->seen |= (uint8_t)(1u << i);
		f->next |= (uint8_t)(1u << i);
	}
	return 1;
}

static int add_object(struct json_scan *s, unsigned key, size_t at)
{
	struct offsets *o = &s->objects[key];
	void *p;

	if (s->n_objects == JSON_SCAN_VALUES_MAX)
		return fail(s, JSON_SCAN_TOO_MANY, key);
	p = grow(s, o->p, o->n, &o->room, sizeof(*o->p));
	if (!p)
		return fail(s, JSON_SCAN_NO_MEMORY, key);
	o->p = p;
	o->p[o->n++] = at;
	s->n_objects++;
	return 1;
}

/* The container that opens, one step further on the way of want i: it must be what the path says.
 */
static int enter_want(struct json_scan *s, unsigned i, struct frame *child, unsigned at)
{
	const struct json_path *path = &s->plan->path[i];

	if (at == path->n || (path->step[at].kind == JSON_PATH_ELEMENT) != child->is_array)
		return fail(s, JSON_SCAN_BAD_VALUE, i);
	child->at[i] = (uint8_t)(at + 1);
	if (child->is_array)
		child->next |= (uint8_t)(1u << i);
	else if (at + 1 == path->n)
		return add_object(s, i, child->object);
	return 1;
}

static int enter(struct json_scan *s, bool is_array)
{
	struct frame *parent = here(s), child = { .is_array = is_array };

	if (s->depth == 0 && is_array)
		return fail(s, JSON_SCAN_MALFORMED, NO_KEY);
	if (s->depth == s->depth_max)
		return fail(s, JSON_SCAN_TOO_DEEP, NO_KEY);
	child.object = offset(s);
	if (s->depth == 0)
		s->top = child.object;
	for (unsigned i = 0; i < s->plan->n; i++) {
		if (s->depth && !(parent && parent->next & 1u << i))
			continue;
		if (!enter_want(s, i, &child, s->depth ? parent->at[i] : 0))
			return 0;
	}
	if (parent && !parent->is_array)
		parent->next = 0;
	if (s->depth++ < ARRAY_SIZE(s->frame))
		s->frame[s->depth - 1] = child;
	return 1;
}

static int on_map(void *ctx)
{
	return enter(ctx, false);
}

static int on_array(void *ctx)
{
	return enter(ctx, true);
}

static int on_leave(void *ctx)
{
	struct json_scan *s = ctx;

	s->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_leave,
	.yajl_start_array = on_array,
	.yajl_end_array = on_leave,
};

/* ---- interface ---- */

int json_scan_plan(const struct json_scan_want *wants, size_t n, struct json_scan_plan *ret)
{
	*ret = (struct json_scan_plan){ .n = n, .keep = 6 };
	if (n > JSON_SCAN_KEYS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int r = json_path_parse(wants[i].path, &ret->path[i]);

		if (r < 0)
			return r;
		ret->want[i] = wants[i];
		/* Other spellings of a key have up to six bytes for one: an escape. */
		for (unsigned k = 0; k < ret->path[i].n; k++)
			if (ret->keep < 6 * (ret->path[i].step[k].key.n + 1))
				ret->keep = 6 * (ret->path[i].step[k].key.n + 1);
	}
	return 0;
}

struct json_scan *json_scan_new(const struct json_scan_plan *plan, unsigned depth_max,
				struct pool *pool)
{
	yajl_alloc_funcs memory;
	struct json_scan *s = pool_alloc(pool, sizeof(*s));

	if (!s)
		return NULL;
	memset(s, 0, offsetof(struct json_scan, frame));
	s->pool = pool;
	s->plan = plan;
	s->depth_max = depth_max;
	s->error_key = NO_KEY;
	s->memory.pool = pool;
	yajl_pool_funcs(&s->memory, &memory);
	s->yajl = yajl_alloc(&callbacks, &memory, s);
	if (!s->yajl) {
		errno = ENOMEM;
		return NULL;
	}
	/* Its check passes surrogates and overlong forms; is_text() does not. */
	(void)yajl_config(s->yajl, yajl_dont_validate_strings, 1);
	return s;
}

struct json_scan *json_scan_free(struct json_scan *s)
{
	if (s && s->yajl) {
		yajl_free(s->yajl);
		s->yajl = NULL; /* the rest is the pool's */
	}
	return NULL;
}

static enum json_scan_result settle(struct json_scan *s, yajl_status status)
{
	if (s->error == JSON_SCAN_OK && status != yajl_status_ok)
		s->error = JSON_SCAN_MALFORMED;
	return s->error;
}

/* A sequence may still be incomplete at the end, by at most 3 bytes. yajl takes two bytes for white
 * space that are none (RFC 8259 2), and that stand in no string either. */
static bool is_text(struct json_scan *s, struct slice body)
{
	const char *fresh = body.p + s->utf8;
	size_t n = utf8_valid_prefix(slice_of(fresh, body.n - s->utf8));

	s->utf8 += n;
	return body.n - s->utf8 < 4 &&
	       (n == 0 || (!memchr(fresh, '\v', n) && !memchr(fresh, '\f', n)));
}

static yajl_status give(struct json_scan *s, size_t end)
{
	yajl_status status = yajl_status_ok;

	if (end > s->fed)
		status = yajl_parse(s->yajl, (const unsigned char *)s->body.p + s->fed,
				    end - s->fed);
	s->fed = end;
	return status;
}

/* yajl reads byte by byte, and most of a body is text that nothing governs: of a long string it
 * gets the end, and what is before that only as far as it could be a governed key. A string that is
 * a governed value it gets whole. */
static yajl_status parse(struct json_scan *s)
{
	size_t start, end;

	while (json_skip_next(&s->skip, s->body, s->plan->keep, &start, &end)) {
		const struct frame *f;
		yajl_status status = give(s, start);

		if (status != yajl_status_ok)
			return status;
		f = here(s);
		if (!f || !f->next)
			s->fed = end;
	}
	return give(s, s->body.n);
}

/* yajl begins a token that a piece has cut anew with the next piece, so slivers of a long string
 * would each cost all of it. What comes waits until it is a good part of what there is. */
static bool is_worth_reading(const struct json_scan *s, struct slice body)
{
	return body.n <= AT_ONCE || body.n - s->fed >= s->fed / 4;
}

static enum json_scan_result read_body(struct json_scan *s, struct slice body)
{
	if (s->error != JSON_SCAN_OK || body.n <= s->fed)
		return s->error;
	if (!is_text(s, body))
		return settle(s, yajl_status_error);
	s->body = body;
	return settle(s, parse(s));
}

enum json_scan_result json_scan_feed(struct json_scan *s, struct slice body)
{
	return body.n > s->fed && is_worth_reading(s, body) ? read_body(s, body) : s->error;
}

enum json_scan_result json_scan_finish(struct json_scan *s, struct slice body)
{
	enum json_scan_result r;

	if (!s->yajl)
		return s->error;
	r = read_body(s, body);
	if (r == JSON_SCAN_OK && (s->depth || !s->top || s->utf8 != body.n))
		r = settle(s, yajl_status_error); /* before its end, or nothing at all */
	if (r == JSON_SCAN_OK)
		r = settle(s, yajl_complete_parse(s->yajl));
	s->fed = SIZE_MAX; /* nothing comes any more */
	(void)json_scan_free(s);
	return r;
}

size_t json_scan_memory(const struct json_scan *s)
{
	return s->memory.bytes;
}

const char *json_scan_key(const struct json_scan *s)
{
	return s->error_key == NO_KEY ? NULL : s->plan->want[s->error_key].path;
}

size_t json_scan_values(const struct json_scan *s, const struct json_scan_value **ret)
{
	*ret = s->values;
	return s->n_values;
}

size_t json_scan_objects(const struct json_scan *s, unsigned i, const size_t **ret)
{
	*ret = s->objects[i].p;
	return s->objects[i].n;
}

size_t json_scan_top(const struct json_scan *s)
{
	return s->top;
}
