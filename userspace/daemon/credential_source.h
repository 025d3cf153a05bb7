/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the place a key comes from, without reading it: a file only root can reach, a systemd
 * credential, or the output of a command. The command's key stays in a pipe, which is never
 * swapped out; it is handed over only when the command has ended well.
 */
#pragma once

#include "base/diag.h"
#include "daemon/config.h"
#include "event/loop.h"

#define CREDENTIAL_SOURCE_MAX 65536u /* bytes; also what a pipe holds */

struct credential_source;

/* fd: to read the key from, the callee's; -EBADF and why otherwise. Runs once, from the loop or
 * before credential_source_open() returns. */
typedef void (*credential_source_fn)(void *ctx, int fd, const char *why);

/* dir: for relative file names. Returns NULL when fn has run already. */
struct credential_source *credential_source_open(struct loop *l, const struct config_credential *c,
						 const char *dir, uint64_t timeout_us,
						 credential_source_fn fn, void *ctx);
/* Kills a command that runs; fn will not be called. Returns NULL. */
struct credential_source *credential_source_cancel(struct credential_source *s);
