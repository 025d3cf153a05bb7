/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of I/O buffers, lent while there is something in them: a connection at rest holds none,
 * and one at work takes the block that was used last, which is still in the cache.
 */
#pragma once

#include "base/buf.h"

#define BLOCKS_SIZE ((size_t)24 * 1024) /* a response head and a TLS record */
#define BLOCKS_KEPT 64u

struct blocks {
	char *kept[BLOCKS_KEPT];
	unsigned n;
};

/* Gives an empty buffer a block to begin with. -ENOMEM. */
int blocks_lend(struct blocks *b, struct buf *to) _must_check_;
/* Takes the memory of a buffer back once it is empty; does nothing before. */
void blocks_reclaim(struct blocks *b, struct buf *from);
/* The same, whatever is in it. */
void blocks_drop(struct blocks *b, struct buf *from);
void blocks_done(struct blocks *b);
