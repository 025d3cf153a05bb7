/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to small numbers: the first name added is 0, the next 1, and so on. For compilers of what
 * people write (policy, selectors) and for exact look-ups by them; hashed, so thousands are fine.
 * Filled only from trusted documents: the hash is not keyed. Looking hostile names up is fine.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define NAMES_MAX (1u << 22)

/* Zeroed is valid and empty. */
struct names {
	struct slice *name; /* by number; borrowed: the caller keeps the bytes alive */
	uint32_t *slots; /* number + 1, or 0; open addressing, a power of two */
	size_t n, room, n_slots;
};

/* The number of the name, added if it is new; ret_new may be NULL. -ENOMEM, -EMSGSIZE (NAMES_MAX).
 */
int names_add(struct names *t, struct slice name, bool *ret_new) _must_check_;
int names_find(const struct names *t, struct slice name); /* -1: not there */
void names_done(struct names *t);
