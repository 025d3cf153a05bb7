/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit records in shared memory: one slab a worker, a file that worker and recorder map.
 * The worker opens a slot when it decides, fills it while the exchange runs, and commits it at the
 * end; the recorder stores committed slots and gives them back. No system call on the way, but a
 * wake-up of a sleeping recorder; a crash of either side, or of all, loses nothing: an open slot of
 * a dead worker is closed as `worker_died`, a committed one is still there, and the store knows by
 * its request id one that comes a second time. When every slot is taken, slab_open() says so and
 * the caller denies.
 *
 * The recorder believes nothing it reads here: a record is copied out first, then its strings are
 * terminated and its enums bounded, so a compromised worker can lie about its own requests, no
 * more. It must not be able to shorten the file (seccomp: no ftruncate, no fallocate).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "egret/record.h"

struct slab;

/* More than the connections of a worker (limits.connections), as committed slots wait for the
 * recorder. 26 MiB of file; memory is what is in use of it. */
#define SLAB_SLOTS_DEFAULT 16384u
#define SLAB_SLOTS_MAX	   65536u

/* Monitor: makes or checks the file behind fd for `slots` slots (an existing one that fits is kept
 * with what is in it; so is one of another size that still holds records: it changes once it is
 * empty). Its blocks are allocated, so that no later write can fail for want of space. */
int slab_format(int fd, uint32_t slots) _must_check_;
/* Maps it. wake_fd is an eventfd the worker writes and the recorder reads; wake_fd may be -EBADF
 * (nobody is woken). Takes both fds, also when it fails. -EPROTO: not a slab. */
int slab_new(int fd, int wake_fd, struct slab **ret) _must_check_;
struct slab *slab_free(struct slab *s);
/* Readable when the worker committed something after slab_prepare_sleep(); slab_drain() clears it.
 */
int slab_wake_fd(const struct slab *s);

uint32_t slab_slots(const struct slab *s);

/* Worker. A zeroed record to fill, or NULL: full. Fill in request_id first: an open slot without
 * one counts as empty when the worker dies. */
struct eg_record *slab_open(struct slab *s);
void slab_commit(struct slab *s, struct eg_record *r);
/* Worker, once, before slab_open(): takes the slab over. Open slots of a predecessor are closed as
 * worker_died, and the worker holds a POSIX lock on the file from here to its death, which tells
 * the recorder that open slots have an owner. (Owned by the process: two users of a file in one
 * process do not exclude each other, and closing any descriptor of the file there drops it.) */
void slab_attach(struct slab *s);

/* Recorder. Calls fn for committed slots, oldest first, at most max; they stay committed until
 * slab_release(), and come again at the next drain if it does not happen. The record is valid
 * during the call. Returns how many slots (fn is not called for those that hold no request id). */
typedef void (*slab_fn)(void *ctx, const struct eg_record *r);
size_t slab_drain(struct slab *s, size_t max, slab_fn fn, void *ctx);
void slab_release(struct slab *s); /* those of the last drain are stored: free them */
/* Commits the open slots as worker_died, if no living worker is attached. Returns how many. Call
 * it when a worker died and when a slab is handed over: it is always safe. */
size_t slab_orphan(struct slab *s);
/* Tells workers to wake us; returns false if something is already there (do not sleep). */
bool slab_prepare_sleep(struct slab *s);
/* Committed slots not yet released, about; for metrics and for stopping. */
size_t slab_waiting(struct slab *s);
