/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of program files, a slice at a time, so that the loop goes on meanwhile. Each content is
 * read once however many wait for it, and remembered by {device, inode, change time, size}. A file
 * that changes while it is read has no hash.
 */
#pragma once

#include "base/cleanup.h"
#include "base/digest.h"
#include "event/loop.h"
#include "identity/exe.h"

struct hasher;

int hasher_new(struct loop *l, uint64_t bytes_max, struct hasher **ret) _must_check_;
/* Who still waits is told -ECANCELED. */
struct hasher *hasher_free(struct hasher *h);

/* The remembered hash, borrowed until the next call; NULL: not known. */
const uint8_t *hasher_find(struct hasher *h, const struct exe_key *key);

/* error 0: sha256 is valid during the call. -ESTALE: the file changed; -ECANCELED; or -errno. */
typedef void (*hasher_fn)(void *ctx, int error, const uint8_t *sha256);
/* Takes fd, which is of `key`, and calls fn (may be NULL) later from the loop. Files that somebody
 * waits for take turns; those of nobody (owner 0) come when there are no others. -EFBIG: larger
 * than bytes_max; -ENOBUFS: too many wait, or too many files of this owner, so that one owner with
 * many programs holds up itself only. fn is not called then. */
int hasher_start(struct hasher *h, int fd, const struct exe_key *key, uint32_t owner, hasher_fn fn,
		 void *ctx) _must_check_;
bool hasher_may_read(const struct hasher *h, const struct exe_key *key); /* not too large */
size_t hasher_reads(const struct hasher *h); /* files read to their end so far */
