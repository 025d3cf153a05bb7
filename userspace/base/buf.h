/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte queue with a hard maximum: append at the end, consume at the front.
 * Exceeding the maximum is a normal outcome (-EMSGSIZE), not a crash. Holds no memory while empty
 * after buf_release(). Not for secrets (see secret.h).
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

struct buf {
	char *p; /* allocation, or NULL */
	size_t start; /* first live byte */
	size_t end; /* one past the last live byte */
	size_t size; /* of the allocation */
	size_t max; /* most live bytes it may ever hold */
};

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer stays usable. Accepts a zeroed struct. */
void buf_release(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/* The live bytes; valid until the next call that takes a non-const buffer. */
static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->p ? b->p + b->start : "", b->end - b->start);
}

/* 0, -EMSGSIZE (would exceed max), -ENOMEM. */
int buf_append(struct buf *b, const void *p, size_t n) _must_check_;
int buf_append_slice(struct buf *b, struct slice s) _must_check_;
int buf_printf(struct buf *b, const char *fmt, ...) _printf_(2, 3) _must_check_;
/* Room for n more bytes at the returned place; buf_commit() makes them live. NULL: as buf_append.
 */
char *buf_reserve(struct buf *b, size_t n) _must_check_;
void buf_commit(struct buf *b, size_t n);
/* Drops n <= buf_len() bytes from the front. */
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);
