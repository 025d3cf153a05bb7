/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries go in by the dozen: one INSERT ... SELECT from a virtual table that shows SQLite the
 * records waiting here. Statement by statement each row would open the table and its indices anew,
 * and have every column bound.
 *
 * The table is nobody else's: it is there on this connection alone, may not be used by a schema
 * (SQLITE_VTAB_DIRECTONLY).
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "audit/store_db.h"

#define TABLE	    "waiting"
#define OWN_COLUMNS 3 /* id, principal, route; behind them those of the record */

struct table {
	sqlite3_vtab base;
	struct store *store;
};

struct cursor {
	sqlite3_vtab_cursor base;
	size_t at;
};

static int write_names(struct buf *sql)
{
	unsigned n;
	int r = buf_printf(sql, "id,principal,route");

	return r < 0 ? r : store_write_names(sql, TABLE_ENTRY, &n);
}

/* ---- what SQLite asks of a virtual table ---- */

static const struct store_batch *batch_of(const sqlite3_vtab_cursor *c)
{
	return &((const struct table *)(const void *)c->pVtab)->store->batch;
}

static int on_connect(sqlite3 *db, void *ctx, int argc, const char *const *argv, sqlite3_vtab **ret,
		      char **error)
{
	struct table *t = calloc(1, sizeof(*t));
	struct buf sql;
	int rc = t ? SQLITE_OK : SQLITE_NOMEM;

	(void)argc;
	(void)argv;
	(void)error;
	buf_init(&sql, 4096);
	if (rc == SQLITE_OK && (buf_printf(&sql, "CREATE TABLE x (") < 0 || write_names(&sql) < 0 ||
				buf_append(&sql, ")", 2) < 0))
		rc = SQLITE_NOMEM;
	if (rc == SQLITE_OK)
		rc = sqlite3_declare_vtab(db, buf_slice(&sql).p);
	if (rc == SQLITE_OK)
		rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
	buf_release(&sql);
	if (rc != SQLITE_OK) {
		free(t);
		return rc;
	}
	t->store = ctx;
	*ret = &t->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *t)
{
	free(t);
	return SQLITE_OK;
}

/* One way to read it: from the first row to the last. */
static int on_best_index(sqlite3_vtab *t, sqlite3_index_info *info)
{
	(void)t;
	info->estimatedRows = STORE_BATCH;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *t, sqlite3_vtab_cursor **ret)
{
	struct cursor *c = calloc(1, sizeof(*c));

	(void)t;
	if (!c)
		return SQLITE_NOMEM;
	*ret = &c->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *c)
{
	free(c);
	return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *c, int plan, const char *name, int argc,
		     sqlite3_value **argv)
{
	(void)plan;
	(void)name;
	(void)argc;
	(void)argv;
	((struct cursor *)c)->at = 0;
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *c)
{
	((struct cursor *)c)->at++;
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *c)
{
	return ((struct cursor *)c)->at >= batch_of(c)->n;
}

static int on_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *ret)
{
	*ret = batch_of(c)->row[((struct cursor *)c)->at].id;
	return SQLITE_OK;
}

static int on_column(sqlite3_vtab_cursor *c, sqlite3_context *to, int i)
{
	const struct store *s = ((const struct table *)(const void *)c->pVtab)->store;
	const struct store_row *row = &s->batch.row[((struct cursor *)c)->at];
	const int64_t own[OWN_COLUMNS] = { row->id, row->principal, row->route };

	if (i < OWN_COLUMNS)
		sqlite3_result_int64(to, own[i]);
	else
		store_result(to, s->shared.column[TABLE_ENTRY][i - OWN_COLUMNS], &row->record);
	return SQLITE_OK;
}

/* Without xCreate: a table that is there without being made. */
static const sqlite3_module module = {
	.xConnect = on_connect,
	.xBestIndex = on_best_index,
	.xDisconnect = on_disconnect,
	.xOpen = on_open,
	.xClose = on_close,
	.xFilter = on_filter,
	.xNext = on_next,
	.xEof = on_eof,
	.xColumn = on_column,
	.xRowid = on_rowid,
};

/* ---- filling and emptying it ---- */

int store_batch_prepare(struct store *s)
{
	int rc = sqlite3_create_module(s->db, TABLE, &module, s);
	struct buf sql;
	int r = store_errno(rc);

	buf_init(&sql, 4096);
	/* Whose transaction goes anyway when one fails: SQLite need not keep what was before it. */
	if (r == 0)
		r = buf_printf(&sql, "INSERT OR ROLLBACK INTO entry (");
	if (r == 0)
		r = write_names(&sql);
	if (r == 0)
		r = buf_printf(&sql, ") SELECT * FROM " TABLE);
	if (r == 0)
		r = store_errno(sqlite3_prepare_v3(s->db, buf_slice(&sql).p, (int)buf_len(&sql),
						   SQLITE_PREPARE_PERSISTENT, &s->put, NULL));
	buf_release(&sql);
	return r;
}

int store_batch_add(struct store *s, const struct eg_record *r, int64_t principal, int64_t route)
{
	struct store_batch *b = &s->batch;

	b->row[b->n++] = (struct store_row){ *r, ++s->open_record_id, principal, route };
	return b->n == STORE_BATCH ? store_batch_flush(s) : 0;
}

int store_batch_flush(struct store *s)
{
	int rc;

	if (s->batch.n == 0)
		return 0;
	rc = sqlite3_step(s->put);
	(void)sqlite3_reset(s->put);
	s->batch.n = 0;
	return store_errno(rc);
}
