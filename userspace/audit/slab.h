/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit records in shared memory: one slab a worker, a file that worker, recorder and monitor map.
 * The worker opens a slot when it decides, fills it while the exchange runs, and commits it at the
 * end; the recorder stores committed slots and gives them back. No system call on the way, but a wake-up
 * of a sleeping recorder; a crash of either side, or of all, loses nothing: an open slot of a dead
 * worker is closed as `worker_died`, a committed one is still there, and the unique request id makes
 * storing it twice harmless. When every slot is taken, slab_open() says so and the caller denies.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "egret/record.h"

struct slab;

#define SLAB_SLOTS_DEFAULT 4096u

/* Monitor: makes or checks the file behind fd for `slots` slots (an existing one that fits is kept
 * with what is in it). */
int slab_format(int fd, uint32_t slots) _must_check_;
/* Maps it. wake_fd is an eventfd the worker writes and the recorder reads. Takes both fds. */
int slab_new(int fd, int wake_fd, struct slab **ret) _must_check_;
struct slab *slab_free(struct slab *s);

/* Worker. A zeroed record to fill, or NULL: full. */
struct eg_record *slab_open(struct slab *s);
void slab_commit(struct slab *s, struct eg_record *r);
/* Gives a slot back unrecorded: nothing was decided in it. */
void slab_abandon(struct slab *s, struct eg_record *r);
/* Worker, at its start: rebuilds its free list after a predecessor (whose open slots the recorder
 * closes with slab_orphan() first). */
void slab_attach(struct slab *s);

/* Recorder. Calls fn for committed slots, oldest first, at most max; they stay committed until
 * slab_release(). Returns how many. */
typedef void (*slab_fn)(void *ctx, const struct eg_record *r);
size_t slab_drain(struct slab *s, size_t max, slab_fn fn, void *ctx);
void slab_release(struct slab *s); /* those of the last drain are stored: free them */
size_t slab_orphan(struct slab *s); /* the worker died: commits its open slots as worker_died */
/* Tells workers to wake us; returns false if something is already there (do not sleep). */
bool slab_prepare_sleep(struct slab *s);
