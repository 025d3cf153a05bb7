/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/query_rows.h"

#include <string.h>

#include "audit/store_db.h"
#include "base/reason.h"
#include "egret/abi.h"

int query_record_columns(struct buf *sql)
{
	int r = 0;

	for (size_t i = 0; i < store_n_columns && r == 0; i++)
		r = buf_printf(sql, "%s%s", i ? "," : "", store_columns[i].name);
	return r;
}

static struct slice text_at(sqlite3_stmt *st, int at)
{
	const unsigned char *p = sqlite3_column_text(st, at);

	return slice_of(p ? (const char *)p : "", p ? (size_t)sqlite3_column_bytes(st, at) : 0);
}

static void put_text(struct json_out *o, sqlite3_stmt *st, int at, const char *key, bool sparse)
{
	struct slice s = text_at(st, at);

	if (s.n || !sparse)
		json_out_text(o, key, s);
}

static void put_number(struct json_out *o, sqlite3_stmt *st, int at, const char *key, bool sparse)
{
	int64_t v = sqlite3_column_int64(st, at);

	if (v || !sparse)
		json_out_number(o, key, v);
}

static void put_blob(struct json_out *o, sqlite3_stmt *st, int at, const char *key, size_t size)
{
	const void *p = sqlite3_column_blob(st, at);

	if (p && (size_t)sqlite3_column_bytes(st, at) == size)
		json_out_hex(o, key, p, size);
}

static void put_flags(struct json_out *o, int64_t flags)
{
	static const struct {
		int64_t bit;
		const char *key;
	} names[] = {
		{ EG_RECORD_STREAM, "stream" },
		{ EG_RECORD_CAPPED, "capped" },
		{ EG_RECORD_REPLACED_KEY, "replaced_key" },
		{ EG_RECORD_DIRECT_KEY, "direct_key" },
		{ EG_RECORD_REUSED, "reused" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			json_out_true(o, names[i].key);
}

/* A denial that was answered whole has no end to speak of: `allowed` would be read as its contrary.
 * The decision is a column before it. */
static bool is_vain(const struct column *c, struct slice decision, struct slice value)
{
	return strcmp(c->key, "end") == 0 && slice_eq(value, SLICE("allowed")) &&
	       !slice_eq(decision, SLICE("allowed"));
}

void query_put_record(struct json_out *o, sqlite3_stmt *st, int at)
{
	struct slice decision = SLICE("allowed");

	for (size_t i = 0; i < store_n_columns; i++, at++) {
		const struct column *c = &store_columns[i];

		switch (c->kind) {
		case COLUMN_REASON:
			if (strcmp(c->key, "decision") == 0)
				decision = text_at(st, at);
			if (!is_vain(c, decision, text_at(st, at)))
				put_text(o, st, at, c->key, c->sparse);
			break;
		case COLUMN_TEXT:
		case COLUMN_FINGERPRINT:
			put_text(o, st, at, c->key, c->sparse);
			break;
		case COLUMN_U32:
		case COLUMN_U64:
			put_number(o, st, at, c->key, c->sparse);
			break;
		case COLUMN_ID:
		case COLUMN_HASH:
			put_blob(o, st, at, c->key, c->size);
			break;
		case COLUMN_FLAGS:
			put_flags(o, sqlite3_column_int64(st, at));
			break;
		}
	}
}

/* Only what the kernel refused has a hook; zero is one of them. */
static void put_hook(struct json_out *o, struct slice reason, int64_t hook)
{
	if (slice_has_prefix(reason, SLICE("k_")) && hook >= 0 && hook < EG_HOOK_COUNT)
		json_out_text(o, "hook", slice_str(hook_name((uint32_t)hook)));
}

void query_put_event(struct json_out *o, sqlite3_stmt *st, int at)
{
	put_number(o, st, at, "time_us", false);
	/* A notice refuses nothing. */
	if (!slice_eq(text_at(st, at + 1), SLICE("allowed")))
		put_text(o, st, at + 1, "reason", false);
	put_text(o, st, at + 2, "text", true);
	put_number(o, st, at + 3, "pid", true);
	/* Without a process the user is not known; 0 would say root. */
	if (sqlite3_column_int64(st, at + 3))
		put_number(o, st, at + 4, "uid", false);
	put_hook(o, text_at(st, at + 1), sqlite3_column_int64(st, at + 5));
	put_text(o, st, at + 6, "workload", true);
	put_text(o, st, at + 7, "exe", true);
	put_text(o, st, at + 8, "host", true);
	put_number(o, st, at + 9, "cgroup", true);
}
