/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "audit/store_db.h"

#define FILE_NAME  "audit.db"
#define ROOM_FILE  "audit.db-room"
#define ROOM_BYTES 65536u /* more than the index of a WAL has at first */

/* ---- SQLite's results ---- */

int store_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column is not what it was */
	case SQLITE_CONSTRAINT: /* likewise: we only insert what fits our schema */
	case SQLITE_MISMATCH:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

int store_exec(sqlite3 *db, const char *sql)
{
	return store_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int store_number(sqlite3 *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	*ret = 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return store_errno(rc);
}

const char *store_error_text(const struct store *s)
{
	return s->db ? sqlite3_errmsg(s->db) : s->trouble;
}

/* ---- opening ---- */

static void close_db(struct store *s)
{
	(void)sqlite3_finalize(s->put);
	(void)sqlite3_finalize(s->put_event);
	(void)sqlite3_finalize(s->put_last);
	s->put = s->put_event = s->put_last = NULL;
	store_shared_close(s);
	/* Last: its errors (a checkpoint that fails) leave the WAL, which the next open reads. */
	(void)sqlite3_close_v2(s->db);
	s->db = NULL;
}

static int configure(sqlite3 *db)
{
	/* page_size and auto_vacuum only take before the first table is made; synchronous FULL:
	 * what a slab was told to forget is on the disk. Other readers (sqlite3 by hand) may look
	 * on. Rows only come at the end: large pages are fewer writes, and a small cache, which
	 * has room for a commit, is memory that the CPU's caches still hold when a page of it is
	 * used again. */
	static const char sql[] = "PRAGMA page_size=16384;"
				  "PRAGMA auto_vacuum=INCREMENTAL;"
				  "PRAGMA journal_mode=WAL;"
				  "PRAGMA synchronous=FULL;"
				  "PRAGMA temp_store=MEMORY;"
				  "PRAGMA mmap_size=0;"
				  "PRAGMA cache_size=-4000;"
				  "PRAGMA wal_autocheckpoint=1000;"
				  "PRAGMA journal_size_limit=16777216";

	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	return store_exec(db, sql);
}

static int set_up_db(struct store *s, const char **ret_why)
{
	int r;

	*ret_why = NULL;
	r = store_errno(sqlite3_open_v2(FILE_NAME, &s->db,
					SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
						SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
					NULL));
	if (r == 0)
		r = configure(s->db);
	if (r == 0)
		r = store_migrate(s->db, ret_why);
	if (r == 0)
		r = store_prepare(s);
	if (r == 0)
		r = store_shared_open(s);
	if (r == 0)
		r = store_batch_prepare(s);
	if (r == 0)
		r = store_seen_load(s);
	return r;
}

static int read_ids(struct store *s)
{
	int64_t records = 0, events = 0;
	int r = store_number(s->db, "SELECT max(id) FROM entry", &records);

	if (r == 0)
		r = store_number(s->db, "SELECT max(id) FROM event", &events);
	if (records > s->record_id)
		s->record_id = records;
	if (events > s->event_id)
		s->event_id = events;
	return r;
}

/* SQLite calls it an I/O error, or a file that cannot be opened, where there is no room for its WAL
 * or the index of that, and by then errno is another. */
static bool lacks_room(void)
{
	static const char zeros[ROOM_BYTES];
	int fd = open(ROOM_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, zeros, sizeof(zeros));
	bool lacks = n < 0 ? errno == ENOSPC || errno == EDQUOT : n < (ssize_t)sizeof(zeros);

	cleanup_close(&fd);
	(void)unlink(ROOM_FILE);
	return lacks;
}

static int with_cause(struct store *s, int error, const char *why)
{
	const char *text = why ? why : s->db ? sqlite3_errmsg(s->db) : strerror(-error);
	bool lacks = error == -EIO && lacks_room();

	(void)snprintf(s->trouble, sizeof(s->trouble), "%s%s", text,
		       lacks ? ": no room on its file system" : "");
	return lacks ? -ENOSPC : error;
}

static int open_db(struct store *s)
{
	const char *why;
	int r = set_up_db(s, &why);

	if (r == 0)
		r = read_ids(s);
	if (r < 0) {
		r = with_cause(s, r, why);
		close_db(s);
	}
	return r;
}

int store_open(int dir_fd, const struct store_opts *o, struct diag *d, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->opts = *o;
	/* One thread; refused (harmlessly) when SQLite is in use already. */
	(void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	/* SQLite takes a name, not a directory. */
	r = fchdir(dir_fd) < 0 ? with_cause(s, -EBADF, "its directory cannot be entered")
			       : open_db(s);
	if (r < 0)
		(void)diag_at(d, 0, 0, "audit database: %s", s->trouble);
	if (r == -EPROTO || r == -ENOMEM || r == -EBADF) {
		(void)store_free(s);
		return r;
	}
	*ret = s;
	return r;
}

struct store *store_free(struct store *s)
{
	if (s) {
		close_db(s);
		free(s->seen.id);
	}
	free(s);
	return NULL;
}

int store_set_aside(struct store *s, uint64_t now_us)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char from[32], to[64];

	close_db(s);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		(void)snprintf(from, sizeof(from), FILE_NAME "%s", suffixes[i]);
		(void)snprintf(to, sizeof(to), FILE_NAME ".damaged-%llu%s",
			       (unsigned long long)now_us, suffixes[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	s->changes++;
	(void)!open_db(s);
	return 0;
}

/* ---- transactions ---- */

int store_begin(struct store *s)
{
	int r = s->db ? 0 : open_db(s);

	if (r < 0)
		return r;
	s->open_record_id = s->record_id;
	s->open_event_id = s->event_id;
	s->seen.met = false;
	return store_exec(s->db, "BEGIN IMMEDIATE");
}

/* Marks where this transaction's records begin, unless it had to do with those of the last one. */
static int put_mark(struct store *s)
{
	int rc;

	if (s->open_record_id == s->record_id || s->seen.met)
		return 0;
	rc = sqlite3_bind_int64(s->put_last, 1, s->record_id + 1);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s->put_last);
	(void)sqlite3_reset(s->put_last);
	return store_errno(rc);
}

int store_commit(struct store *s)
{
	int r = store_batch_flush(s);

	if (r == 0)
		r = put_mark(s);
	if (r == 0)
		r = store_exec(s->db, "COMMIT");
	if (r == 0) {
		s->record_id = s->open_record_id;
		s->event_id = s->open_event_id;
	}
	return r;
}

void store_rollback(struct store *s)
{
	/* Some failures have ended the transaction already. */
	if (s->db && !sqlite3_get_autocommit(s->db))
		(void)!store_exec(s->db, "ROLLBACK");
	store_shared_forget(s);
	s->batch.n = 0;
}

/* ---- retention ---- */

#define DAY_US	   (86400ull * 1000000)
#define TRIM_ROWS  "500"
#define TRIM_PAGES "64"
#define KEEP_PAGES 256

static int delete_before(sqlite3 *db, uint64_t time_us, int *ret_deleted)
{
	static const char *const sql[] = {
		"DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE time_us < ?1"
		" ORDER BY time_us LIMIT " TRIM_ROWS ")",
		"DELETE FROM event WHERE id IN (SELECT id FROM event WHERE time_us < ?1"
		" ORDER BY time_us LIMIT " TRIM_ROWS ")",
	};
	int rc = SQLITE_OK;

	*ret_deleted = 0;
	for (size_t i = 0; i < ARRAY_SIZE(sql) && store_errno(rc) == 0; i++) {
		sqlite3_stmt *st = NULL;

		rc = sqlite3_prepare_v2(db, sql[i], -1, &st, NULL);
		if (rc == SQLITE_OK) {
			(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)time_us);
			rc = sqlite3_step(st);
			*ret_deleted += sqlite3_changes(db);
		}
		(void)sqlite3_finalize(st);
	}
	return store_errno(rc);
}

/* Time before which rows go: so that a slice of the oldest is over. 0: none. */
static int bound_of_size(struct store *s, uint64_t *ret_us)
{
	int64_t pages, unused, page, time_us = 0;
	int r = store_number(s->db, "PRAGMA page_count", &pages);

	*ret_us = 0;
	if (r == 0)
		r = store_number(s->db, "PRAGMA freelist_count", &unused);
	if (r == 0)
		r = store_number(s->db, "PRAGMA page_size", &page);
	if (r < 0 || (uint64_t)((pages - unused) * page) <= s->opts.max_bytes)
		return r;
	r = store_number(s->db,
			 "SELECT time_us FROM entry ORDER BY time_us LIMIT 1 OFFSET " TRIM_ROWS,
			 &time_us);
	/* Fewer rows than a slice: all of them. */
	*ret_us = r == 0 && time_us == 0 ? (uint64_t)INT64_MAX : (uint64_t)time_us;
	return r;
}

/* Gives freed pages back to the file system, some at a time; a few stay for the next rows. */
static int give_back(struct store *s, bool *ret_more)
{
	int64_t unused;
	int r = store_number(s->db, "PRAGMA freelist_count", &unused);

	*ret_more = r == 0 && unused > KEEP_PAGES;
	return *ret_more ? store_exec(s->db, "PRAGMA incremental_vacuum(" TRIM_PAGES ")") : r;
}

int store_trim(struct store *s, uint64_t now_us)
{
	uint64_t before_us = 0;
	int deleted = 0, unused = 0, r = 0;
	bool more = false;

	if (!s->db)
		return 0;
	if (s->opts.max_bytes)
		r = bound_of_size(s, &before_us);
	if (r == 0 && s->opts.keep_days && now_us > s->opts.keep_days * DAY_US &&
	    before_us < now_us - s->opts.keep_days * DAY_US)
		before_us = now_us - s->opts.keep_days * DAY_US;
	if (r == 0 && before_us)
		r = delete_before(s->db, before_us, &deleted);
	if (r == 0 && before_us)
		r = store_shared_trim(s->db, &unused);
	if (r == 0 && (s->opts.max_bytes || s->opts.keep_days))
		r = give_back(s, &more);
	return r < 0 ? r : deleted + unused > 0 || more;
}
