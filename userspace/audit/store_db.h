/* SPDX-License-Identifier: Apache-2.0 */
/* What store*.c and query.c share. Private to them. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>

#include "audit/store.h"
#include "base/buf.h"

/*
 * Request ids that may come a second time: a recorder that died between its commit and the release
 * of the slots left them in the slabs. They are all in its last commit, whose first row is in table
 * last_commit; a commit that met some of them again keeps that mark, because it may be cut short
 * itself.
 */
struct store_seen {
	uint8_t (*id)[16]; /* sorted */
	size_t n;
	int64_t first_record; /* the mark */
	bool met; /* in the open transaction */
};

/* What many records have in common is stored once and referred to (store_shared.c). */
enum column_table { TABLE_ENTRY, TABLE_PRINCIPAL, TABLE_ROUTE, TABLES };

struct column;
struct shared_row;

#define STORE_COLUMNS_MAX 16 /* of one table */

struct store_shared {
	sqlite3_stmt *put[TABLES]; /* TABLE_ENTRY: none */
	struct shared_row *rows[TABLES]; /* those met lately, by hash */
	int64_t id[TABLES]; /* the last one given */
	const struct column *column[TABLES][STORE_COLUMNS_MAX];
	unsigned n_columns[TABLES];
	unsigned entries; /* since everything was begun anew; 0: it must be */
};

/* Entries of the open transaction that SQLite has not seen yet (store_batch.c). */
#define STORE_BATCH 32u

struct store_row {
	struct eg_record record;
	int64_t id, principal, route;
};

struct store_batch {
	struct store_row row[STORE_BATCH];
	size_t n;
};

struct store {
	struct store_opts opts;
	sqlite3 *db; /* NULL: it could not be opened, or no new one made; store_begin() tries again
		      */
	char trouble[240]; /* why not */
	sqlite3_stmt *put, *put_event, *put_last;
	struct store_shared shared;
	struct store_batch batch;
	/* Ids only rise while the process lives, also when every row has been deleted: readers that
	 * follow new rows go by them. */
	int64_t record_id, event_id;
	int64_t open_record_id, open_event_id; /* of the open transaction */
	struct store_seen seen;
	unsigned changes; /* moves when the database is another: readers start over */
};

/* Negative errno of an SQLite result code (SQLITE_OK, ROW, DONE: 0). */
int store_errno(int rc);
/* store_schema.c: brings the database to the current version. -EPROTO: it cannot, *ret_why (else
 * NULL) says why and what to do. */
int store_migrate(sqlite3 *db, const char **ret_why) _must_check_;
/* store_seen.c */
int store_seen_load(struct store *s) _must_check_;
bool store_seen_has(const struct store_seen *seen, const uint8_t id[16]);
/* store_put.c */
int store_prepare(struct store *s) _must_check_;
/* One field of r, for a statement or for who asked a virtual table; r is borrowed until the next
 * step is done. An SQLite code. */
int store_bind(sqlite3_stmt *st, int at, const struct column *c, const struct eg_record *r);
void store_result(sqlite3_context *to, const struct column *c, const struct eg_record *r);
/* Appends ",NAME" for each column of a table. */
int store_write_names(struct buf *sql, enum column_table table, unsigned *ret_n) _must_check_;
/* "INSERT INTO table (id,columns) VALUES (?,...)": principal or route. */
int store_prepare_insert(sqlite3 *db, enum column_table table, sqlite3_stmt **ret) _must_check_;
/* store_batch.c. Prepares its INSERT. */
int store_batch_prepare(struct store *s) _must_check_;
/* Gives an entry the next id of the open transaction. Copies r. */
int store_batch_add(struct store *s, const struct eg_record *r, int64_t principal,
		    int64_t route) _must_check_;
/* Before a commit. After an error, here or in store_batch_add(), the transaction is to be rolled
 * back. */
int store_batch_flush(struct store *s) _must_check_;
/* store_shared.c */
int store_shared_open(struct store *s) _must_check_;
void store_shared_close(struct store *s);
/* Nothing that a transaction added is there any more. */
void store_shared_forget(struct store *s);
/* Before the entries of a transaction are put: begins anew when it is time. */
int store_shared_begin(struct store *s) _must_check_;
/* The id of the row of a table that says what r says; it is added when there is none. */
int store_shared_get(struct store *s, enum column_table t, const struct eg_record *r,
		     int64_t *ret) _must_check_;
/* Deletes some rows that no entry refers to; *ret_deleted says how many. */
int store_shared_trim(sqlite3 *db, int *ret_deleted) _must_check_;
/* Runs SQL without rows. */
int store_exec(sqlite3 *db, const char *sql) _must_check_;
/* The single integer a statement gives; 0 when there is no row. */
int store_number(sqlite3 *db, const char *sql, int64_t *ret) _must_check_;

/* The columns of view `record`, in the order of selecting, and where they stand in a struct
 * eg_record. */
enum column_kind {
	COLUMN_TEXT,
	COLUMN_U32,
	COLUMN_U64,
	COLUMN_REASON,
	COLUMN_ID, /* 16 bytes */
	COLUMN_HASH, /* 32 bytes or NULL */
	COLUMN_FINGERPRINT, /* 16 hex digits or NULL */
	COLUMN_FLAGS,
};

struct column {
	const char *name; /* in SQL */
	const char *key; /* in JSON */
	enum column_kind kind;
	enum column_table table;
	bool sparse; /* zero means "none" and is left out of what is shown */
	size_t offset, size;
};

extern const struct column store_columns[];
extern const size_t store_n_columns;
