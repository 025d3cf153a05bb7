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

/* A field as SQLite takes it. */
struct value {
	int type; /* SQLITE_INTEGER, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL */
	int n;
	sqlite3_int64 number;
	const char *p; /* in the record, or a literal, or room */
	char room[17];
};

/* SQLite's numbers are signed; nothing honest is above. */
static sqlite3_int64 as_signed(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v;
}

static void set_number(struct value *v, uint64_t number)
{
	v->type = SQLITE_INTEGER;
	v->number = as_signed(number);
}

static void set_bytes(struct value *v, int type, const char *p, size_t n)
{
	v->type = type;
	v->p = p;
	v->n = (int)n;
}

static void set_fingerprint(struct value *v, uint64_t number)
{
	v->type = SQLITE_NULL;
	if (!number)
		return;
	(void)snprintf(v->room, sizeof(v->room), "%016llx", (unsigned long long)number);
	set_bytes(v, SQLITE_TEXT, v->room, sizeof(v->room) - 1);
}

static void value_of(const struct column *c, const struct eg_record *r, struct value *ret)
{
	const char *p = (const char *)r + c->offset, *name;
	uint64_t u64 = 0;
	uint32_t u32 = 0;

	if (c->size == sizeof(u64))
		memcpy(&u64, p, sizeof(u64));
	if (c->size == sizeof(u32))
		memcpy(&u32, p, sizeof(u32));
	ret->type = SQLITE_NULL;
	switch (c->kind) {
	case COLUMN_TEXT:
		set_bytes(ret, SQLITE_TEXT, p, strnlen(p, c->size));
		return;
	case COLUMN_U32:
	case COLUMN_FLAGS:
		set_number(ret, u32);
		return;
	case COLUMN_U64:
		set_number(ret, u64);
		return;
	case COLUMN_REASON:
		name = reason_name(u32);
		set_bytes(ret, SQLITE_TEXT, name, strlen(name));
		return;
	case COLUMN_HASH:
		if (!(r->flags & EG_RECORD_HASHED))
			return;
		set_bytes(ret, SQLITE_BLOB, p, c->size);
		return;
	case COLUMN_ID:
		set_bytes(ret, SQLITE_BLOB, p, c->size);
		return;
	case COLUMN_FINGERPRINT:
		set_fingerprint(ret, u64);
		return;
	}
}

/* What is in the record or a literal lives long enough. */
static sqlite3_destructor_type life_of(const struct value *v)
{
	return v->p == v->room ? SQLITE_TRANSIENT : SQLITE_STATIC;
}

int store_bind(sqlite3_stmt *st, int at, const struct column *c, const struct eg_record *r)
{
	struct value v;

	value_of(c, r, &v);
	switch (v.type) {
	case SQLITE_INTEGER:
		return sqlite3_bind_int64(st, at, v.number);
	case SQLITE_TEXT:
		return sqlite3_bind_text(st, at, v.p, v.n, life_of(&v));
	case SQLITE_BLOB:
		return sqlite3_bind_blob(st, at, v.p, v.n, life_of(&v));
	default:
		return sqlite3_bind_null(st, at);
	}
}

void store_result(sqlite3_context *to, const struct column *c, const struct eg_record *r)
{
	struct value v;

	value_of(c, r, &v);
	switch (v.type) {
	case SQLITE_INTEGER:
		sqlite3_result_int64(to, v.number);
		return;
	case SQLITE_TEXT:
		sqlite3_result_text(to, v.p, v.n, life_of(&v));
		return;
	case SQLITE_BLOB:
		sqlite3_result_blob(to, v.p, v.n, life_of(&v));
		return;
	default:
		sqlite3_result_null(to);
	}
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
	return e < 0 ? e : store_batch_add(s, r, principal, route);
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
		rc = value[i].p ? sqlite3_bind_text(st, i + 2, value[i].p,
						    (int)strnlen(value[i].p, value[i].size),
						    SQLITE_STATIC)
				: sqlite3_bind_int64(st, i + 2, as_signed(value[i].number));
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		s->open_event_id++;
	(void)sqlite3_reset(st);
	return store_errno(rc);
}

int store_write_names(struct buf *sql, enum column_table table, unsigned *ret_n)
{
	int r = 0;

	*ret_n = 0;
	for (size_t i = 0; i < store_n_columns && r == 0; i++) {
		if (store_columns[i].table != table)
			continue;
		r = buf_printf(sql, ",%s", store_columns[i].name);
		(*ret_n)++;
	}
	return r;
}

int store_prepare_insert(sqlite3 *db, enum column_table table, sqlite3_stmt **ret)
{
	struct buf sql;
	unsigned n = 0;
	int r;

	buf_init(&sql, 4096);
	r = buf_printf(&sql, "INSERT INTO %s (id", table == TABLE_ROUTE ? "route" : "principal");
	if (r == 0)
		r = store_write_names(&sql, table, &n);
	if (r == 0)
		r = buf_printf(&sql, ") VALUES (?");
	while (r == 0 && n--)
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
	int rc = sqlite3_prepare_v3(s->db,
				    "INSERT INTO event (id,time_us,reason,text,pid,uid,hook,"
				    "workload,exe,host,cgroup) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
				    -1, SQLITE_PREPARE_PERSISTENT, &s->put_event, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(s->db, "UPDATE last_commit SET first_record=?1", -1,
					SQLITE_PREPARE_PERSISTENT, &s->put_last, NULL);
	return store_errno(rc);
}
