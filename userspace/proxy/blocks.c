/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/blocks.h"

int blocks_lend(struct blocks *b, struct buf *to)
{
	if (to->p)
		return 0;
	to->p = b->n ? b->kept[--b->n] : malloc(BLOCKS_SIZE);
	if (!to->p)
		return -ENOMEM;
	to->start = to->end = 0;
	to->size = BLOCKS_SIZE;
	return 0;
}

void blocks_drop(struct blocks *b, struct buf *from)
{
	if (from->p && from->size == BLOCKS_SIZE && b->n < BLOCKS_KEPT) {
		b->kept[b->n++] = from->p;
		from->p = NULL;
	}
	buf_release(from);
}

void blocks_reclaim(struct blocks *b, struct buf *from)
{
	if (from->p && buf_len(from) == 0)
		blocks_drop(b, from);
}

void blocks_done(struct blocks *b)
{
	while (b->n)
		free(b->kept[--b->n]);
}
