/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <stdarg.h>
#include <stdio.h>

#define BLOCK_SIZE 4096u

struct pool_block {
	struct pool_block *next;
	size_t used, size;
	_Alignas(16) char data[];
};

void pool_init(struct pool *p, size_t max)
{
	*p = (struct pool){ .max = max };
}

void pool_clear(struct pool *p, bool keep)
{
	struct pool_block *b = p->head, *next, *kept = NULL;

	for (; b; b = next) {
		next = b->next;
		if (keep && !kept && b->size == BLOCK_SIZE)
			kept = b;
		else
			free(b);
	}
	if (kept) {
		kept->next = NULL;
		kept->used = 0;
	}
	p->head = kept;
	p->used = 0;
}

static struct pool_block *add_block(struct pool *p, size_t n)
{
	size_t size = n > BLOCK_SIZE ? n : BLOCK_SIZE;
	struct pool_block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	b->size = size;
	b->used = 0;
	b->next = p->head;
	p->head = b;
	return b;
}

void *pool_alloc(struct pool *p, size_t n)
{
	struct pool_block *b = p->head;
	void *r;

	if (n > p->max || p->used > p->max - n) {
		errno = EMSGSIZE;
		return NULL;
	}
	n = (n + 15) & ~(size_t)15;
	if (!b || b->size - b->used < n)
		b = add_block(p, n);
	if (!b) {
		errno = ENOMEM;
		return NULL;
	}
	r = b->data + b->used;
	b->used += n;
	p->used += n;
	return r;
}

void *pool_zalloc(struct pool *p, size_t n)
{
	void *r = pool_alloc(p, n);

	return r ? memset(r, 0, n) : NULL;
}

struct slice pool_dup(struct pool *p, struct slice s)
{
	char *r = pool_alloc(p, s.n + 1);

	if (!r)
		return (struct slice){ NULL, 0 };
	if (s.n)
		memcpy(r, s.p, s.n);
	r[s.n] = '\0';
	return slice_of(r, s.n);
}

char *pool_printf(struct pool *p, const char *fmt, ...)
{
	va_list ap;
	char *r;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	r = pool_alloc(p, (size_t)n + 1);
	if (!r)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(r, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return r;
}
