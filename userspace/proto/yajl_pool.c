/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/yajl_pool.h"

#include <stdlib.h>

#include "base/pool.h"

#define SMALL 2048

/* In front of every allocation. */
struct chunk {
	size_t n;
	bool is_pools;
	char p[] __attribute__((aligned(16)));
};

static void *get(void *ctx, size_t n)
{
	struct yajl_pool *m = ctx;
	struct chunk *c = n <= SMALL ? pool_alloc(m->pool, sizeof(*c) + n) : NULL;
	bool is_pools = c != NULL;

	if (!c)
		c = malloc(sizeof(*c) + n);
	if (!c)
		return NULL;
	if (!is_pools)
		m->bytes += sizeof(*c) + n;
	c->n = n;
	c->is_pools = is_pools;
	return c->p;
}

static void give_back(void *ctx, void *p)
{
	struct chunk *c = p ? container_of(p, struct chunk, p) : NULL;
	struct yajl_pool *m = ctx;

	if (!c || c->is_pools)
		return;
	m->bytes -= sizeof(*c) + c->n;
	free(c);
}

static void *get_more(void *ctx, void *p, size_t n)
{
	const struct chunk *old = p ? container_of(p, struct chunk, p) : NULL;
	void *more = get(ctx, n);

	if (more && old)
		memcpy(more, p, old->n < n ? old->n : n);
	if (more)
		give_back(ctx, p);
	return more;
}

void yajl_pool_funcs(struct yajl_pool *m, yajl_alloc_funcs *ret)
{
	*ret = (yajl_alloc_funcs){
		.malloc = get, .realloc = get_more, .free = give_back, .ctx = m
	};
}
