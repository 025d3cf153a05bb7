/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit database: records and events in SQLite, in WAL mode, synced at every commit. The only
 * files that touch SQLite are audit/store*.c and audit/query.c. Called by recorder.c; never logs
 * and never sleeps; says what went wrong as -errno and the caller tries again: -EUCLEAN  the
 * database is damaged or not ours: store_set_aside() begins a new one -ENOSPC   no room; -EBUSY
 * somebody else holds a lock; -EIO, -ENOMEM
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "egret/record.h"

struct store;

struct store_opts {
	unsigned keep_days; /* 0: for ever */
	uint64_t max_bytes; /* 0: unbounded */
};

/* Opens or makes audit.db in the directory (borrowed; it becomes the working directory, because
 * SQLite takes names). -EUCLEAN: damaged; *ret is set all the same, call store_set_aside() next.
 * -ENOSPC, -EBUSY, -EIO: not now; *ret is set all the same, store_begin() tries again. -EPROTO:
 * made by a newer version of egret. Fills d. */
int store_open(int dir_fd, const struct store_opts *o, struct diag *d,
	       struct store **ret) _must_check_;
struct store *store_free(struct store *s);
/* Renames the database to audit.db.damaged-TIME and begins a new one; when that cannot be made for
 * now, store_begin() tries again. */
int store_set_aside(struct store *s, uint64_t now_us) _must_check_;

/* One transaction: begin, puts, commit. When any of them fails, store_rollback() ends it and
 * nothing of it is there. A record that a predecessor stored just before it died, and that is still
 * in its slab, is left out silently. */
int store_begin(struct store *s) _must_check_;
int store_put(struct store *s, const struct eg_record *r) _must_check_;
int store_put_event(struct store *s, const struct eg_note *n) _must_check_;
int store_commit(struct store *s) _must_check_;
void store_rollback(struct store *s);

/* One slice of retention (a few hundred rows): 1 when there is more to do, 0 when not. */
int store_trim(struct store *s, uint64_t now_us) _must_check_;

/* SQLite's words about the last failure, for people. */
const char *store_error_text(const struct store *s);
