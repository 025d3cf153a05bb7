/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that must not leak: memory that is locked, left out of core images, not inherited by fork,
 * and zeroed when freed. There is no conversion to a C string on purpose.
 * Each secret owns whole pages; hold few of them.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

struct secret {
	char *p; /* NULL: empty */
	size_t n; /* bytes in use */
	size_t size; /* of the mapping */
};

/* Room for `size` bytes, n = 0. -ENOMEM also when the memory cannot be locked: never unlocked. */
int secret_new(size_t size, struct secret *ret) _must_check_;
/* Zeroes and unmaps; accepts an empty one, leaves an empty one. */
void secret_free(struct secret *s);
/* Zeroes the content, keeps the room. */
void secret_clear(struct secret *s);
/* -EMSGSIZE when it does not fit. */
int secret_append(struct secret *s, const void *p, size_t n) _must_check_;
/* Constant time in the content; lengths may be told apart. */
bool secret_eq(struct slice a, struct slice b);

static inline struct slice secret_slice(const struct secret *s)
{
	return slice_of(s->p ? s->p : "", s->n);
}
