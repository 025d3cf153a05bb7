/* SPDX-License-Identifier: Apache-2.0 */
/* Writing rows: how the fields of a record and an event become columns. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "audit/store_db.h"
#include "base/buf.h"
#include "base/reason.h"
#include "egret/reasons.h"

#define FIELD(name, kind, table, sparse)                                                           \
	{                                                                                          \
#name, #name, kind, TABLE_##table, sparse, offsetof(struct eg_record, name),       \
			sizeof(((struct eg_record *)0)->name)                                      \
	}

const struct column store_columns[] = {
	FIELD(request_id, COLUMN_ID, ENTRY, false),
	FIELD(time_us, COLUMN_U64, ENTRY, false),
	FIELD(decision, COLUMN_REASON, ENTRY, false),
	{ "\"end\"", "end", COLUMN_REASON, TABLE_ENTRY, false, offsetof(struct eg_record, end),
	  sizeof(uint32_t) },
	FIELD(status, COLUMN_U32, ENTRY, false),
	FIELD(workload, COLUMN_TEXT, PRINCIPAL, true),
	FIELD(provider, COLUMN_TEXT, ROUTE, true),
	FIELD(operation, COLUMN_TEXT, ROUTE, true),
	FIELD(model, COLUMN_TEXT, ROUTE, true),
	FIELD(host, COLUMN_TEXT, ROUTE, true),
	FIELD(method, COLUMN_TEXT, ROUTE, true),
	FIELD(path, COLUMN_TEXT, ENTRY, true),
	FIELD(rule, COLUMN_TEXT, ROUTE, true),
	FIELD(shadow_rule, COLUMN_TEXT, ROUTE, true),
	FIELD(credential, COLUMN_TEXT, ROUTE, true),
	FIELD(max_tokens, COLUMN_U64, ENTRY, true),
	FIELD(bytes_in, COLUMN_U64, ENTRY, false),
	FIELD(bytes_out, COLUMN_U64, ENTRY, false),
	FIELD(first_us, COLUMN_U64, ENTRY, true),
	FIELD(total_us, COLUMN_U64, ENTRY, false),
	FIELD(pid, COLUMN_U32, PRINCIPAL, false),
	FIELD(start_ns, COLUMN_U64, PRINCIPAL, true),
	FIELD(uid, COLUMN_U32, PRINCIPAL, false),
	FIELD(gid, COLUMN_U32, PRINCIPAL, false),
	FIELD(exe, COLUMN_TEXT, PRINCIPAL, true),
	FIELD(exe_sha256, COLUMN_HASH, PRINCIPAL, true),
	FIELD(cgroup, COLUMN_U64, PRINCIPAL, true),
	FIELD(cgroup_path, COLUMN_TEXT, PRINCIPAL, true),
	FIELD(container, COLUMN_TEXT, PRINCIPAL, true),
	FIELD(key_fingerprint, COLUMN_FINGERPRINT, ENTRY, true),
	FIELD(detail, COLUMN_TEXT, ENTRY, true),
	FIELD(flags, COLUMN_FLAGS, ENTRY, false),
	FIELD(worker, COLUMN_U32, ROUTE, false),
	FIELD(generation, COLUMN_U32, ROUTE, false),
};
const size_t store_n_columns = ARRAY_SIZE(store_columns);

static int bind_text(sqlite3_stmt *st, int at, const char *p, size_t size)
{
	/* SQLITE_STATIC: the record outlives the step. */
	return sqlite3_bind_text(st, at, p, (int)strnlen(p, size), SQLITE_STATIC);
}

/* SQLite's numbers are signed; nothing honest is above. */
static int bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	return sqlite3_bind_int64(st, at, v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v);
}

static int bind_fingerprint(sqlite3_stmt *st, int at, uint64_t v)
{
	char hex[17];

	if (v == 0)
		return sqlite3_bind_null(st, at);
	(void)snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)v);
	return sqlite3_bind_text(st, at, hex, 16, SQLITE_TRANSIENT);
}

int store_bind(sqlite3_stmt *st, int at, const struct column *c, const struct eg_record *r)
{
	const char *p = (const char *)r + c->offset;
	uint64_t u64 = 0;
	uint32_t u32 = 0;

	if (c->size == sizeof(u64))
		memcpy(&u64, p, sizeof(u64));
	if (c->size == sizeof(u32))
		memcpy(&u32, p, sizeof(u32));
	switch (c->kind) {
	case COLUMN_TEXT:
		return bind_text(st, at, p, c->size);
	case COLUMN_U32:
	case COLUMN_FLAGS:
		return sqlite3_bind_int64(st, at, u32);
	case COLUMN_U64:
		return bind_u64(st, at, u64);
	case COLUMN_REASON:
		return sqlite3_bind_text(st, at, reason_name(u32), -1, SQLITE_STATIC);
	case COLUMN_ID:
		return sqlite3_bind_blob(st, at, p, (int)c->size, SQLITE_STATIC);
	case COLUMN_HASH:
		return r->flags & EG_RECORD_HASHED
			       ? sqlite3_bind_blob(st, at, p, (int)c->size, SQLITE_STATIC)
			       : sqlite3_bind_null(st, at);
	case COLUMN_FINGERPRINT:
		return bind_fingerprint(st, at, u64);
	}
	return SQLITE_MISUSE;
}

static int run(sqlite3_stmt *st, int rc, int64_t *id)
{
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		(*id)++;
	(void)sqlite3_reset(st);
	return store_errno(rc);
}

static int put_entry(struct store *s, const struct eg_record *r, int64_t principal, int64_t route)
{
	int at = 4, rc = sqlite3_bind_int64(s->put, 1, s->open_record_id + 1);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s->put, 2, principal);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s->put, 3, route);
	for (unsigned i = 0; i < s->shared.n_columns[TABLE_ENTRY] && rc == SQLITE_OK; i++)
		rc = store_bind(s->put, at++, s->shared.column[TABLE_ENTRY][i], r);
	/* The next record binds every column again: nothing is cleared in between. */
	return run(s->put, rc, &s->open_record_id);
}

int store_put(struct store *s, const struct eg_record *r)
{
	int64_t principal, route;
	int e;

	if (store_seen_has(&s->seen, r->request_id)) {
		s->seen.met = true;
		return 0;
	}
	e = store_shared_begin(s);
	if (e == 0)
		e = store_shared_get(s, TABLE_PRINCIPAL, r, &principal);
	if (e == 0)
		e = store_shared_get(s, TABLE_ROUTE, r, &route);
	return e < 0 ? e : put_entry(s, r, principal, route);
}

int store_put_event(struct store *s, const struct eg_note *n)
{
	const struct {
		const char *p;
		size_t size;
		uint64_t number;
	} value[] = {
		{ NULL, 0, n->time_us },
		{ reason_name(n->reason), 64, 0 },
		{ n->text, sizeof(n->text), 0 },
		{ NULL, 0, n->pid },
		{ NULL, 0, n->uid },
		{ NULL, 0, n->hook },
		{ n->workload, sizeof(n->workload), 0 },
		{ n->exe, sizeof(n->exe), 0 },
		{ n->host, sizeof(n->host), 0 },
		{ NULL, 0, n->cgroup },
	};
	sqlite3_stmt *st = s->put_event;
	int rc = sqlite3_bind_int64(st, 1, s->open_event_id + 1);

	for (int i = 0; i < (int)ARRAY_SIZE(value) && rc == SQLITE_OK; i++)
		rc = value[i].p ? bind_text(st, i + 2, value[i].p, value[i].size)
				: bind_u64(st, i + 2, value[i].number);
	return run(st, rc, &s->open_event_id);
}

int store_prepare_insert(sqlite3 *db, enum column_table table, const char *more, sqlite3_stmt **ret)
{
	static const char *const names[] = { "entry", "principal", "route" };
	size_t n = 1;
	struct buf sql;
	int r;

	buf_init(&sql, 4096);
	r = buf_printf(&sql, "INSERT INTO %s (id%s", names[table], more);
	for (; *more; more++)
		n += *more == ',';
	for (size_t i = 0; i < store_n_columns && r == 0; i++) {
		if (store_columns[i].table != table)
			continue;
		r = buf_printf(&sql, ",%s", store_columns[i].name);
		n++;
	}
	if (r == 0)
		r = buf_printf(&sql, ") VALUES (?");
	while (r == 0 && --n)
		r = buf_printf(&sql, ",?");
	if (r == 0)
		r = buf_printf(&sql, ")");
	if (r == 0)
		r = store_errno(sqlite3_prepare_v3(db, buf_slice(&sql).p, (int)buf_len(&sql),
						   SQLITE_PREPARE_PERSISTENT, ret, NULL));
	buf_release(&sql);
	return r;
}

int store_prepare(struct store *s)
{
	int r = store_prepare_insert(s->db, TABLE_ENTRY, ",principal,route", &s->put);
	int rc;

	if (r < 0)
		return r;
	rc = sqlite3_prepare_v3(s->db,
				"INSERT INTO event (id,time_us,reason,text,pid,uid,hook,"
				"workload,exe,host,cgroup) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
				-1, SQLITE_PREPARE_PERSISTENT, &s->put_event, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(s->db, "UPDATE last_commit SET first_record=?1", -1,
					SQLITE_PREPARE_PERSISTENT, &s->put_last, NULL);
	return store_errno(rc);
}
