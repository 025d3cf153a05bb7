/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the daemon obeys (configuration, policy, catalogue, trust, credentials) and files that
 * it writes for others. Whoever can write the first ones is root in effect, so others may not.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"

/*
 * Opens a regular file of at most max bytes that belongs to root (or this process's user) and that
 * neither group nor others can write. d->file is the path; -ENOENT without words when it is missing
 * and `optional`.
 */
int trusted_open(const char *path, size_t max, bool optional, struct diag *d,
		 int *ret_fd) _must_check_;
/* The same and nobody else can even read it, and the name itself is no symbolic link. */
int trusted_open_secret(const char *path, size_t max, struct diag *d, int *ret_fd) _must_check_;

/* Reads an open file whole, from its start. -EFBIG: more than max bytes. */
int trusted_read(const char *path, int fd, size_t max, struct diag *d,
		 struct buf *ret) _must_check_;
/* Puts a whole file in place of an older one, mode as given; readers see one or the other. */
int trusted_write(const char *path, mode_t mode, struct slice content, struct diag *d) _must_check_;
/* Makes a directory of root's with that mode unless it is there; a wrong owner or a mode that lets
 * others write is an error. Parents are not made. */
int trusted_directory(const char *path, mode_t mode, struct diag *d) _must_check_;
