/* SPDX-License-Identifier: Apache-2.0 */
/* Writing rows: how the fields of a record and an event become columns. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "audit/store_db.h"
#include "egret/reasons.h"

#define FIELD(name, kind, sparse)                                                                  \
	{                                                                                          \
#name, #name, kind, sparse, offsetof(struct eg_record, name),                      \
			sizeof(((struct eg_record *)0)->name)                                      \
	}

const struct column store_columns[] = {
	FIELD(request_id, COLUMN_ID, false),
	FIELD(time_us, COLUMN_U64, false),
	FIELD(decision, COLUMN_REASON, false),
	{ "\"end\"", "end", COLUMN_REASON, false, offsetof(struct eg_record, end),
	  sizeof(uint32_t) },
	FIELD(status, COLUMN_U32, false),
	FIELD(workload, COLUMN_TEXT, true),
	FIELD(provider, COLUMN_TEXT, true),
	FIELD(operation, COLUMN_TEXT, true),
	FIELD(model, COLUMN_TEXT, true),
	FIELD(host, COLUMN_TEXT, true),
	FIELD(method, COLUMN_TEXT, true),
	FIELD(path, COLUMN_TEXT, true),
	FIELD(rule, COLUMN_TEXT, true),
	FIELD(shadow_rule, COLUMN_TEXT, true),
	FIELD(credential, COLUMN_TEXT, true),
	FIELD(max_tokens, COLUMN_U64, true),
	FIELD(bytes_in, COLUMN_U64, false),
	FIELD(bytes_out, COLUMN_U64, false),
	FIELD(first_us, COLUMN_U64, true),
	FIELD(total_us, COLUMN_U64, false),
	FIELD(pid, COLUMN_U32, false),
	FIELD(start_ns, COLUMN_U64, true),
	FIELD(uid, COLUMN_U32, false),
	FIELD(gid, COLUMN_U32, false),
	FIELD(exe, COLUMN_TEXT, true),
	FIELD(exe_sha256, COLUMN_HASH, true),
	FIELD(cgroup, COLUMN_U64, true),
	FIELD(cgroup_path, COLUMN_TEXT, true),
	FIELD(container, COLUMN_TEXT, true),
	FIELD(key_fingerprint, COLUMN_FINGERPRINT, true),
	FIELD(detail, COLUMN_TEXT, true),
	FIELD(flags, COLUMN_FLAGS, false),
	FIELD(worker, COLUMN_U32, false),
	FIELD(generation, COLUMN_U32, false),
};
const size_t store_n_columns = ARRAY_SIZE(store_columns);

const char *store_reason_name(uint32_t reason)
{
	static const char *const names[EG_REASON_COUNT] = {
#define X(name, status, error, text) [EG_REASON_##name] = #name,
		EG_REASONS(X)
#undef X
	};

	return reason < EG_REASON_COUNT ? names[reason] : "unknown";
}

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

static int bind_column(sqlite3_stmt *st, int at, const struct column *c, const struct eg_record *r)
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
		return bind_text(st, at, store_reason_name(u32), 64);
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
	(void)sqlite3_clear_bindings(st);
	return store_errno(rc);
}

int store_put(struct store *s, const struct eg_record *r)
{
	int rc;

	if (store_seen_has(&s->seen, r->request_id)) {
		s->seen.met = true;
		return 0;
	}
	rc = sqlite3_bind_int64(s->put, 1, s->open_record_id + 1);
	for (size_t i = 0; i < store_n_columns && rc == SQLITE_OK; i++)
		rc = bind_column(s->put, (int)i + 2, &store_columns[i], r);
	return run(s->put, rc, &s->open_record_id);
}

int store_put_event(struct store *s, const struct eg_note *n)
{
	const struct {
		const char *p;
		size_t size;
		uint64_t number;
	} value[] = {
		{ NULL, 0, n->time_us },
		{ store_reason_name(n->reason), 64, 0 },
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

int store_prepare(struct store *s)
{
	char sql[2048];
	size_t n = (size_t)snprintf(sql, sizeof(sql), "INSERT INTO record (id");
	int rc;

	for (size_t i = 0; i < store_n_columns; i++)
		n += (size_t)snprintf(sql + n, sizeof(sql) - n, ",%s", store_columns[i].name);
	n += (size_t)snprintf(sql + n, sizeof(sql) - n, ") VALUES (?");
	for (size_t i = 0; i < store_n_columns; i++)
		n += (size_t)snprintf(sql + n, sizeof(sql) - n, ",?");
	(void)snprintf(sql + n, sizeof(sql) - n, ")");
	rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->put, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(s->db,
					"INSERT INTO event (id,time_us,reason,text,pid,uid,hook,"
					"workload,exe,host,cgroup) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
					-1, SQLITE_PREPARE_PERSISTENT, &s->put_event, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(s->db, "UPDATE last_commit SET first_record=?1", -1,
					SQLITE_PREPARE_PERSISTENT, &s->put_last, NULL);
	return store_errno(rc);
}
