/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a slab's file: a head with counters and the state of every slot, side by side so that
 * a walk over all of them reads few cache lines, then the slots. Private to slab.c and its tests.
 *
 *              slab_open          slab_commit             slab_release
 *   FREE ─────────────► OPEN ─────────────► COMMITTED ─────────────► FREE
 *        worker            │     worker                  recorder      ▲
 *                          └──────────────► ORPHANED ──────────────────┘
 *                             worker's death
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "egret/record.h"

#define SLAB_MAGIC   0x62616c7367657264ull
#define SLAB_VERSION 1u

enum slab_state { SLAB_FREE, SLAB_OPEN, SLAB_COMMITTED, SLAB_ORPHANED };

struct slab_head {
	uint64_t magic;
	uint32_t version;
	uint32_t slots;
	uint32_t slot_size;
	uint32_t pad;
	_Atomic uint64_t committed; /* worker: highest sequence number whose slot is committed */
	_Atomic uint64_t released; /* recorder: moves when slots became free */
	_Atomic uint32_t sleeping; /* recorder: 1 = wants to be woken by the next commit */
	uint32_t pad2[5];
	_Atomic uint32_t state[]; /* enum slab_state, one a slot */
};
_Static_assert(sizeof(struct slab_head) == 64, "struct slab_head is kept in files");

struct slab_slot {
	uint64_t seq; /* set before the state becomes COMMITTED or ORPHANED */
	uint64_t pad;
	struct eg_record record;
};
_Static_assert(sizeof(struct slab_slot) == 1664 && sizeof(struct slab_slot) % 64 == 0,
	       "slots begin at cache lines");

/* Where slots begin: the first page after the states. */
#define SLAB_SLOTS_AT(slots)                                                                       \
	((sizeof(struct slab_head) + (size_t)(slots) * sizeof(uint32_t) + 4095) & ~(size_t)4095)
