/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one credential from a descriptor, a file or the pipe of a command, without waiting for it:
 * a slow command must not keep workers from their leases. Called by vault.c.
 */
#pragma once

#include "base/secret.h"
#include "event/loop.h"

#define KEY_READ_TIMEOUT_US (10ull * 1000000)

struct key_read;

/* Called once, from the loop. error 0: value (take it, by copying and zeroing the struct) has been
 * through keys_trim(). -ETIMEDOUT: no end within 10 s; else as read() and keys_trim(). */
typedef void (*key_read_fn)(void *ctx, int error, struct secret *value);

/* Takes fd, also when it fails. */
int key_read_start(struct loop *l, int fd, key_read_fn fn, void *ctx,
		   struct key_read **ret) _must_check_;
/* Without calling back; returns NULL. Not needed after the call back. */
struct key_read *key_read_cancel(struct key_read *kr);
