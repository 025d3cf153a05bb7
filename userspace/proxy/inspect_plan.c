/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/inspect_plan.h"

#define TYPES(t) (1u << JSON_SCAN_##t)

struct list {
	struct json_scan_want want[JSON_SCAN_KEYS_MAX];
	unsigned n;
};

/* Index of the new one, or -errno. */
static int want(struct list *l, struct slice path, unsigned types, struct pool *pool)
{
	struct slice copy;

	if (l->n == JSON_SCAN_KEYS_MAX)
		return -EINVAL;
	copy = pool_dup(pool, path); /* adds the NUL */
	if (!copy.p)
		return -ENOMEM;
	l->want[l->n] = (struct json_scan_want){ copy.p, types };
	return (int)l->n++;
}

static int list_keys(struct inspect_plan *p, const struct catalogue_operation *op, struct list *l,
		     struct pool *pool)
{
	int r = 0;

	if (op->model_path.n)
		r = p->model = want(l, op->model_path, TYPES(STRING), pool);
	if (r >= 0 && op->stream_path.n)
		r = p->stream = want(l, op->stream_path, TYPES(BOOL) | TYPES(NULL), pool);
	for (size_t n = 0; n < op->n_max_tokens_paths && r >= 0; n++) {
		r = want(l, op->max_tokens_paths[n], TYPES(UINT) | TYPES(NULL), pool);
		if (n == 0)
			p->max_tokens = r;
		p->n_max_tokens++;
	}
	/* No type is right for these: that one is there at all is a bad value. */
	for (size_t n = 0; n < op->n_refuse_paths && r >= 0; n++)
		r = want(l, op->refuse_paths[n], 0, pool);
	return r;
}

int inspect_plan_make(struct inspect_plan *ret, const struct catalogue_operation *op,
		      struct pool *pool)
{
	struct list l = { .n = 0 };
	int r;

	*ret = (struct inspect_plan){ .model = -1, .stream = -1, .max_tokens = -1 };
	r = list_keys(ret, op, &l, pool);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < l.n; i++)
		ret->names[i] = l.want[i].path;
	return json_scan_plan(l.want, l.n, &ret->keys);
}
