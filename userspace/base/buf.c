/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_MIN 256u

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_release(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->start = b->end = b->size = 0;
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b), size;
	char *p;

	if (n > b->max || len > b->max - n) {
		errno = EMSGSIZE;
		return NULL;
	}
	if (b->size - b->end >= n && b->p)
		return b->p + b->end;
	if (b->p && b->size - len >= n && b->start >= len) {
		memmove(b->p, b->p + b->start, len);
		b->start = 0;
		b->end = len;
		return b->p + b->end;
	}
	size = b->size > BUF_MIN ? b->size : BUF_MIN;
	while (size < len + n)
		size *= 2;
	p = malloc(size);
	if (!p) {
		errno = ENOMEM;
		return NULL;
	}
	if (len)
		memcpy(p, b->p + b->start, len);
	free(b->p);
	b->p = p;
	b->size = size;
	b->start = 0;
	b->end = len;
	return b->p + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(b->size - b->end >= n);
	b->end += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	char *to;

	if (n == 0)
		return 0;
	to = buf_reserve(b, n);
	if (!to)
		return -errno;
	memcpy(to, p, n);
	b->end += n;
	return 0;
}

int buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.p, s.n);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	to = buf_reserve(b, (size_t)n + 1);
	if (!to)
		return -errno;
	va_start(ap, fmt);
	(void)vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->end += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}
