/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/rewrite.h"

#include <stdio.h>

#define DIGITS_MAX 21

struct edit {
	size_t at, drop; /* bytes [at, at + drop) make way for `put` */
	struct slice put;
};

struct edits {
	const struct inspect *inspect;
	struct slice body;
	struct slice cap; /* in decimal */
	struct pool *pool;
	struct edit *p;
	size_t n;
};

static bool governs(const struct inspect *i, const struct json_scan_value *v)
{
	const struct inspect_plan *p = i->plan;

	return p->max_tokens >= 0 && v->key >= (unsigned)p->max_tokens &&
	       v->key < (unsigned)p->max_tokens + p->n_max_tokens;
}

uint64_t rewrite_max_tokens(const struct inspect *i)
{
	const struct json_scan_value *v;
	size_t n = i->json ? json_scan_values(i->json, &v) : 0;
	uint64_t most = 0;

	for (size_t k = 0; k < n; k++)
		if (governs(i, &v[k]) && v[k].type == JSON_SCAN_UINT && v[k].number > most)
			most = v[k].number;
	return most;
}

static void add(struct edits *e, size_t at, size_t drop, struct slice put)
{
	e->p[e->n++] = (struct edit){ at, drop, put };
}

/* {"a":{"b":N}} of the path "a.b", without the outermost braces: what is put into an object. `from`
 * is the first step that is missing. A comma follows unless the object is empty. */
static struct slice member(struct edits *e, const char *from, size_t at)
{
	char *text = pool_alloc(e->pool, 6 * strlen(from) + DIGITS_MAX + 8);
	size_t n = 0, depth = 0, next = at;

	if (!text)
		return (struct slice){ NULL, 0 };
	text[n++] = '"';
	for (const char *c = from; *c; c++) {
		if (*c != '.') {
			text[n++] = *c;
			continue;
		}
		memcpy(text + n, "\":{\"", 4);
		n += 4;
		depth++;
	}
	memcpy(text + n, "\":", 2);
	n += 2;
	memcpy(text + n, e->cap.p, e->cap.n);
	n += e->cap.n;
	while (depth--)
		text[n++] = '}';
	while (next < e->body.n && strchr(" \t\r\n", e->body.p[next]))
		next++;
	if (next < e->body.n && e->body.p[next] != '}')
		text[n++] = ',';
	return slice_of(text, n);
}

/* The value that limits an object: a number if it has one, else its first null, else NULL. */
static const struct json_scan_value *limit_of(const struct inspect *i, size_t object)
{
	const struct json_scan_value *v, *found = NULL;
	size_t n = json_scan_values(i->json, &v);

	for (size_t k = 0; k < n; k++) {
		if (!governs(i, &v[k]) || v[k].object != object)
			continue;
		if (v[k].type == JSON_SCAN_UINT)
			return &v[k];
		found = found ? found : &v[k];
	}
	return found;
}

/* A null beside a number, or beside another null, means nothing more. */
static bool is_over(const struct inspect *i, const struct json_scan_value *v, uint64_t cap)
{
	if (!governs(i, v))
		return false;
	return v->type == JSON_SCAN_UINT ? v->number > cap : limit_of(i, v->object) == v;
}

static int add_missing(struct edits *e)
{
	const char *path = e->inspect->plan->names[e->inspect->plan->max_tokens];
	const char *last = strrchr(path, '.');
	const size_t *objects;
	size_t n = json_scan_objects(e->inspect->json, (unsigned)e->inspect->plan->max_tokens,
				     &objects);
	size_t top = json_scan_top(e->inspect->json);
	struct slice put;

	for (size_t k = 0; k < n; k++) {
		if (limit_of(e->inspect, objects[k]))
			continue;
		put = member(e, last ? last + 1 : path, objects[k]);
		if (!put.p)
			return -ENOMEM;
		add(e, objects[k], 0, put);
	}
	/* Nothing on the way to it: the whole way goes in, unless it leads through an array, which
	 * then has no element to hold. Another spelling of the limit may still be there. */
	if (n == 0 && !strchr(path, '[') && !limit_of(e->inspect, top)) {
		put = member(e, path, top);
		if (!put.p)
			return -ENOMEM;
		add(e, top, 0, put);
	}
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int collect(struct edits *e, uint64_t cap)
{
	const struct json_scan_value *v;
	const size_t *objects;
	size_t n = json_scan_values(e->inspect->json, &v);
	size_t more = json_scan_objects(e->inspect->json, (unsigned)e->inspect->plan->max_tokens,
					&objects);
	int r;

	e->p = pool_alloc(e->pool, (n + more + 1) * sizeof(*e->p));
	if (!e->p)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++)
		if (is_over(e->inspect, &v[k], cap))
			add(e, v[k].start, v[k].end - v[k].start, e->cap);
	r = add_missing(e);
	qsort(e->p, e->n, sizeof(*e->p), by_place);
	return r;
}

static int apply(const struct edits *e, struct buf *ret)
{
	size_t n = e->body.n, at = 0;
	int r = 0;

	for (size_t k = 0; k < e->n; k++)
		n += e->p[k].put.n;
	if (!buf_reserve(ret, n))
		return -errno;
	for (size_t k = 0; r == 0 && k < e->n; k++) {
		r = buf_append(ret, e->body.p + at, e->p[k].at - at);
		if (r == 0)
			r = buf_append_slice(ret, e->p[k].put);
		at = e->p[k].at + e->p[k].drop;
	}
	return r < 0 ? r : buf_append(ret, e->body.p + at, e->body.n - at);
}

int rewrite_cap(const struct inspect *i, struct slice body, uint64_t cap, struct pool *pool,
		struct buf *ret)
{
	char digits[DIGITS_MAX];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)cap);
	struct edits e = {
		.inspect = i, .body = body, .cap = slice_of(digits, (size_t)n), .pool = pool
	};
	int r;

	if (!i->json || i->plan->max_tokens < 0)
		return 0;
	r = collect(&e, cap);
	if (r < 0 || e.n == 0)
		return r;
	r = apply(&e, ret);
	return r < 0 ? r : 1;
}
