/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What many records have in common is stored once: who asked (principal) and the way that was taken
 * (route). Rows met lately are remembered here; one that was forgotten is added again, which costs
 * a row and changes nothing.
 *
 * So that retention can take rows away without looking who refers to them, everything is begun anew
 * now and then: table `sheet` says from which entry on only rows from which ids on are referred to.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "audit/store_db.h"

#define ROWS	  512u /* a table */
#define ANEW	  262144u /* entries */
#define TRIM_ROWS "500"

struct shared_row {
	int64_t id; /* 0: none */
	struct eg_record like; /* only the table's own columns count */
};

/* What mostly tells one row from another; rows that share it push each other out, no more. */
static const struct key {
	size_t offset, size;
} keys[TABLES][5] = {
#define KEY(field, most)                                                                           \
	{                                                                                          \
		offsetof(struct eg_record, field),                                                 \
			sizeof(((struct eg_record *)0)->field) < (most)                            \
				? sizeof(((struct eg_record *)0)->field)                           \
				: (most)                                                           \
	}
	[TABLE_PRINCIPAL] = { KEY(pid, 4), KEY(start_ns, 8), KEY(cgroup, 8), KEY(uid, 4),
			      KEY(workload, 16) },
	[TABLE_ROUTE] = { KEY(model, 32), KEY(operation, 16), KEY(rule, 16), KEY(method, 8),
			  KEY(generation, 4) },
#undef KEY
};

static uint64_t hash_of(enum column_table t, const struct eg_record *r)
{
	uint64_t h = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys[t]); i++) {
		for (size_t at = 0; at < keys[t][i].size; at += 8) {
			size_t n = keys[t][i].size - at;
			uint64_t v = 0;

			memcpy(&v, (const char *)r + keys[t][i].offset + at, n < 8 ? n : 8);
			h = (h ^ v) * 0x9e3779b97f4a7c15u;
			h ^= h >> 32;
		}
	}
	return h;
}

/* Bytes behind a text's end count too: two that differ there alone are two rows. */
static bool is_like(const struct store_shared *sh, enum column_table t, const struct eg_record *a,
		    const struct eg_record *b)
{
	/* Whether there is a hash stands in the flags. */
	if (t == TABLE_PRINCIPAL && (a->flags ^ b->flags) & EG_RECORD_HASHED)
		return false;
	for (unsigned i = 0; i < sh->n_columns[t]; i++) {
		const struct column *c = sh->column[t][i];

		if (memcmp((const char *)a + c->offset, (const char *)b + c->offset, c->size) != 0)
			return false;
	}
	return true;
}

static int add(struct store *s, enum column_table t, const struct eg_record *r)
{
	sqlite3_stmt *st = s->shared.put[t];
	int at = 2, rc = sqlite3_bind_int64(st, 1, s->shared.id[t] + 1);

	for (unsigned i = 0; i < s->shared.n_columns[t] && rc == SQLITE_OK; i++)
		rc = store_bind(st, at++, s->shared.column[t][i], r);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	if (rc == SQLITE_DONE)
		s->shared.id[t]++;
	return store_errno(rc);
}

int store_shared_get(struct store *s, enum column_table t, const struct eg_record *r, int64_t *ret)
{
	struct shared_row *row = &s->shared.rows[t][hash_of(t, r) % ROWS];
	int e;

	if (!row->id || !is_like(&s->shared, t, &row->like, r)) {
		e = add(s, t, r);
		if (e < 0)
			return e;
		row->id = s->shared.id[t];
		row->like = *r;
	}
	*ret = row->id;
	return 0;
}

void store_shared_forget(struct store *s)
{
	for (enum column_table t = TABLE_PRINCIPAL; t < TABLES; t++)
		for (size_t i = 0; s->shared.rows[t] && i < ROWS; i++)
			s->shared.rows[t][i].id = 0;
	s->shared.entries = 0;
}

int store_shared_begin(struct store *s)
{
	struct store_shared *sh = &s->shared;
	char sql[160];
	int r;

	if (sh->entries && sh->entries++ < ANEW)
		return 0;
	store_shared_forget(s);
	(void)sqlite3_snprintf(
		sizeof(sql), sql, "INSERT OR REPLACE INTO sheet VALUES (%lld,%lld,%lld)",
		s->open_record_id + 1, sh->id[TABLE_PRINCIPAL] + 1, sh->id[TABLE_ROUTE] + 1);
	r = store_exec(s->db, sql);
	sh->entries = r == 0;
	return r;
}

/* Ids only rise, also when every row has gone: what the sheets say must stay true. */
static int read_ids(struct store *s)
{
	static const char *const sql[] = {
		[TABLE_ENTRY] = "SELECT max(first_entry)-1 FROM sheet",
		[TABLE_PRINCIPAL] = "SELECT max(ifnull((SELECT max(id) FROM principal),0),"
				    "ifnull((SELECT max(first_principal)-1 FROM sheet),0))",
		[TABLE_ROUTE] = "SELECT max(ifnull((SELECT max(id) FROM route),0),"
				"ifnull((SELECT max(first_route)-1 FROM sheet),0))",
	};
	int r = 0;

	for (enum column_table t = TABLE_ENTRY; t < TABLES && r == 0; t++)
		r = store_number(s->db, sql[t], &s->shared.id[t]);
	if (s->shared.id[TABLE_ENTRY] > s->record_id)
		s->record_id = s->shared.id[TABLE_ENTRY];
	return r;
}

static void list_columns(struct store_shared *sh)
{
	memset(sh->n_columns, 0, sizeof(sh->n_columns));
	for (size_t i = 0; i < store_n_columns; i++) {
		enum column_table t = store_columns[i].table;

		assert(sh->n_columns[t] < STORE_COLUMNS_MAX);
		sh->column[t][sh->n_columns[t]++] = &store_columns[i];
	}
}

int store_shared_open(struct store *s)
{
	int r = read_ids(s);

	list_columns(&s->shared);
	for (enum column_table t = TABLE_PRINCIPAL; t < TABLES && r == 0; t++) {
		if (!s->shared.rows[t])
			s->shared.rows[t] = calloc(ROWS, sizeof(struct shared_row));
		r = s->shared.rows[t] ? store_prepare_insert(s->db, t, &s->shared.put[t]) : -ENOMEM;
	}
	store_shared_forget(s);
	return r;
}

void store_shared_close(struct store *s)
{
	for (enum column_table t = TABLE_PRINCIPAL; t < TABLES; t++) {
		(void)sqlite3_finalize(s->shared.put[t]);
		s->shared.put[t] = NULL;
		free(s->shared.rows[t]);
		s->shared.rows[t] = NULL;
	}
}

/* The sheet that the oldest entry is on. */
#define OLDEST_SHEET                                                                               \
	"FROM sheet WHERE first_entry<=(SELECT ifnull(min(id),9223372036854775807) FROM entry)"    \
	" ORDER BY first_entry DESC LIMIT 1"

int store_shared_trim(sqlite3 *db, int *ret_deleted)
{
	static const char *const sql[] = {
		"DELETE FROM principal WHERE id IN (SELECT id FROM principal WHERE id<"
		"(SELECT first_principal " OLDEST_SHEET ") LIMIT " TRIM_ROWS ")",
		"DELETE FROM route WHERE id IN (SELECT id FROM route WHERE id<"
		"(SELECT first_route " OLDEST_SHEET ") LIMIT " TRIM_ROWS ")",
		"DELETE FROM sheet WHERE first_entry<(SELECT first_entry " OLDEST_SHEET ")",
	};
	int r = 0;

	*ret_deleted = 0;
	for (size_t i = 0; i < ARRAY_SIZE(sql) && r == 0; i++) {
		r = store_exec(db, sql[i]);
		if (r == 0)
			*ret_deleted += sqlite3_changes(db);
	}
	return r;
}
