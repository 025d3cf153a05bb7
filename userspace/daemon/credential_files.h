/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys in the credentials' directory that need no entry in the configuration: a file PROVIDER
 * is that provider's own key, PROVIDER.NAME a further one of it, for rules that name it. Only names
 * are looked at here; whether the file may be read is the source's to say.
 */
#pragma once

#include "base/slice.h"
#include "daemon/config.h"

struct edition;

/* id: the file's name; an error ends the walk. */
typedef int (*credential_files_fn)(void *ctx, struct slice id, struct slice provider);

/* Calls fn for each, in the order of names, but for those that the configuration has an entry for,
 * by id or by file. A file that belongs to nothing is said in the log. No directory is no files.
 * 0, what fn returned, or -errno. */
int credential_files(const struct config *config, const struct edition *edition,
		     credential_files_fn fn, void *ctx) _must_check_;
