/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/query.h"

#include <stdio.h>
#include <string.h>

#include "audit/json_out.h"
#include "audit/query_parse.h"
#include "audit/query_rows.h"
#include "audit/store_db.h"

#define ROWS_PER_STEP 500u /* rows written */
#define WINDOW_MAX    8000u /* index entries looked at */

/* Place of a row in the order of a list. */
struct place {
	int64_t time_us, id;
};

/* START ─► BACK (with a limit) ─► LIST ─► ended, or FOLLOW (a watch)
 *       └► SHOW ─► ended */
enum query_state { START, SHOW, BACK, LIST, FOLLOW };

struct query {
	struct query_spec spec;
	enum query_state state;
	struct place at; /* BACK: rows up to here, LIST: rows after it are still to be looked at */
	struct place end; /* LIST: up to here */
	struct place found; /* BACK, SHOW: oldest row that fits so far */
	unsigned n_found; /* SHOW */
	uint64_t left; /* BACK: rows still wanted */
	unsigned window; /* index entries to look at in the next step */
	int64_t newest_id; /* LIST, BACK: rows stored later are not ours. FOLLOW: sent up to here */
	unsigned changes; /* of the store when we began */
};

int query_new(struct slice text, struct query_error *ret_error, struct query **ret)
{
	struct query *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	r = query_parse(text, ret_error, &q->spec);
	if (r < 0) {
		free(q);
		return r;
	}
	*ret = q;
	return 0;
}

struct query *query_free(struct query *q)
{
	free(q);
	return NULL;
}

/* ---- lines ---- */

int query_put_error(struct buf *out, const char *reason, const char *message)
{
	struct json_out o = { .to = out };

	json_out_open(&o, NULL);
	json_out_open(&o, "error");
	json_out_text(&o, "reason", slice_str(reason));
	json_out_text(&o, "message", slice_str(message));
	json_out_close(&o);
	json_out_close(&o);
	json_out_newline(&o);
	return o.error;
}

static int put_line(const struct query *q, struct buf *out, const char *kind, sqlite3_stmt *st)
{
	struct json_out o = { .to = out };

	json_out_open(&o, NULL);
	json_out_open(&o, kind);
	if (st && q->spec.events)
		query_put_event(&o, st, 2);
	else if (st)
		query_put_record(&o, st, 2);
	json_out_close(&o);
	json_out_close(&o);
	json_out_newline(&o);
	return o.error;
}

/* ---- SQL ---- */

static const char *table_of(const struct query *q)
{
	return q->spec.events ? "event" : "record";
}

/* Where nothing but times and ids is asked for. */
static const char *index_of(const struct query *q)
{
	return q->spec.events ? "event" : "entry";
}

/* ?1 ?2 the place before, ?3 ?4 the last place, ?5 the newest id; then the filters' values. */
static int put_filters(const struct query *q, struct buf *sql)
{
	int r = 0;

	for (size_t i = 0; i < q->spec.n_filters && r == 0; i++) {
		const struct query_filter *f = &q->spec.filter[i];

		/* Word for word as the partial index has it. */
		if (f->op == FILTER_DENIED)
			r = buf_printf(sql, " AND %s <> 'allowed'", f->column);
		else
			r = buf_printf(sql, " AND %s %s ?%zu", f->column,
				       f->op == FILTER_GLOB ? "GLOB" : "=", i + 6);
	}
	return r;
}

static int put_select(const struct query *q, struct buf *sql, bool with_columns)
{
	int r = buf_printf(sql, "SELECT time_us,id%s", with_columns ? "," : "");

	if (r == 0 && with_columns)
		r = q->spec.events ? buf_printf(sql, "%s", QUERY_EVENT_COLUMNS)
				   : query_record_columns(sql);
	return r < 0 ? r : buf_printf(sql, " FROM %s WHERE ", table_of(q));
}

static int prepare(const struct query *q, struct store *s, struct buf *sql, struct place from,
		   struct place to, sqlite3_stmt **ret)
{
	struct slice text = buf_slice(sql);
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, text.p, (int)text.n, &st, NULL);

	if (rc != SQLITE_OK)
		return store_errno(rc);
	/* What a statement does not use cannot be bound: no error. */
	(void)sqlite3_bind_int64(st, 1, from.time_us);
	(void)sqlite3_bind_int64(st, 2, from.id);
	(void)sqlite3_bind_int64(st, 3, to.time_us);
	(void)sqlite3_bind_int64(st, 4, to.id);
	(void)sqlite3_bind_int64(st, 5, q->newest_id);
	for (size_t i = 0; i < q->spec.n_filters; i++)
		(void)sqlite3_bind_text(st, (int)i + 6, q->spec.filter[i].value, -1, SQLITE_STATIC);
	*ret = st;
	return 0;
}

/* `how`: what follows WHERE, less the filters, and what follows them. */
static int select_rows(const struct query *q, struct store *s, bool with_columns, const char *where,
		       const char *order, struct place from, struct place to, sqlite3_stmt **ret)
{
	struct buf sql;
	int r;

	buf_init(&sql, 4096);
	r = put_select(q, &sql, with_columns);
	if (r == 0)
		r = buf_printf(&sql, "%s", where);
	if (r == 0)
		r = put_filters(q, &sql);
	if (r == 0)
		r = buf_printf(&sql, " %s", order);
	if (r == 0)
		r = prepare(q, s, &sql, from, to, ret);
	buf_release(&sql);
	return r;
}

/* The place `window` index entries on (or back) from `at`: 1, or 0 when the table ends before. */
static int look_ahead(const struct query *q, struct store *s, struct place at, bool back,
		      struct place *ret)
{
	char sql[256];
	sqlite3_stmt *st = NULL;
	int rc;

	(void)sqlite3_snprintf(sizeof(sql), sql,
			       "SELECT time_us,id FROM %s WHERE (time_us,id) %s (?1,?2)"
			       " ORDER BY time_us %s, id %s LIMIT 1 OFFSET %u",
			       index_of(q), back ? "<=" : ">", back ? "DESC" : "ASC",
			       back ? "DESC" : "ASC", q->window - !back);
	rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(st, 1, at.time_us);
		(void)sqlite3_bind_int64(st, 2, at.id);
		rc = sqlite3_step(st);
	}
	if (rc == SQLITE_ROW)
		*ret = (struct place){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1) };
	(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 1 : store_errno(rc);
}

static bool is_before(struct place a, struct place b)
{
	return a.time_us != b.time_us ? a.time_us < b.time_us : a.id < b.id;
}

/* Few rows fit: look at more at once. Many: at fewer. */
static void adapt_window(struct query *q, unsigned rows)
{
	if (rows > ROWS_PER_STEP / 8)
		q->window = ROWS_PER_STEP;
	else if (q->window < WINDOW_MAX)
		q->window *= 2;
}

/* ---- the states ---- */

static struct place first_place(const struct query *q)
{
	return (struct place){ q->spec.since_us - 1, INT64_MAX };
}

static int start(struct query *q, struct store *s)
{
	q->changes = s->changes;
	q->newest_id = q->spec.events ? s->event_id : s->record_id;
	q->window = ROWS_PER_STEP;
	q->end = (struct place){ q->spec.until_us, INT64_MAX };
	q->state = q->spec.show ? SHOW : q->spec.has_limit ? BACK : LIST;
	q->left = q->spec.limit;
	q->at = q->state == LIST ? first_place(q) : q->end;
	if (q->state == SHOW)
		q->at.id = q->newest_id;
	q->found = q->end; /* nothing yet */
	return QUERY_MORE;
}

static int go_back(struct query *q, struct store *s)
{
	struct place from = first_place(q), next;
	unsigned rows = 0;
	sqlite3_stmt *st = NULL;
	int rc = SQLITE_DONE, r = look_ahead(q, s, q->at, true, &next);
	bool last = r == 0 || (r > 0 && is_before(next, from));

	if (r < 0)
		return r;
	if (!last)
		from = next;
	r = select_rows(q, s, false,
			"(time_us,id) > (?1,?2) AND (time_us,id) <= (?3,?4)"
			" AND +id <= ?5",
			"ORDER BY time_us DESC, id DESC", from, q->at, &st);
	if (r < 0)
		return r;
	while (q->left && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		q->found = (struct place){ sqlite3_column_int64(st, 0),
					   sqlite3_column_int64(st, 1) - 1 };
		q->left--;
		rows++;
	}
	(void)sqlite3_finalize(st);
	adapt_window(q, rows);
	q->at = from;
	if (last || q->left == 0) {
		q->state = LIST;
		q->at = q->found;
		q->window = ROWS_PER_STEP;
	}
	r = store_errno(rc);
	return r < 0 ? r : QUERY_MORE;
}

/* Writes the rows of a statement; *ret_last is the place of the last of them. */
static int put_rows(struct query *q, sqlite3_stmt *st, struct buf *out, unsigned *ret_rows,
		    struct place *ret_last)
{
	int rc, r = 0;

	*ret_rows = 0;
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		r = put_line(q, out, "row", st);
		*ret_last =
			(struct place){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1) };
		(*ret_rows)++;
	}
	(void)sqlite3_finalize(st);
	return r < 0 ? r : store_errno(rc);
}

static int list(struct query *q, struct store *s, struct buf *out)
{
	struct place to = q->end, next;
	unsigned rows;
	sqlite3_stmt *st = NULL;
	int r = look_ahead(q, s, q->at, false, &next);
	bool last = r == 0 || (r > 0 && is_before(q->end, next));

	if (r < 0)
		return r;
	if (!last)
		to = next;
	r = select_rows(q, s, true,
			"(time_us,id) > (?1,?2) AND (time_us,id) <= (?3,?4)"
			" AND +id <= ?5",
			"ORDER BY time_us, id LIMIT 500", q->at, to, &st);
	if (r == 0)
		r = put_rows(q, st, out, &rows, &next);
	if (r < 0)
		return r;
	adapt_window(q, rows);
	if (rows == ROWS_PER_STEP) {
		q->at = next; /* there may be more before `to` */
		return QUERY_MORE;
	}
	q->at = to;
	if (!last)
		return QUERY_MORE;
	if (q->spec.watch) {
		q->state = FOLLOW;
		return QUERY_MORE;
	}
	r = put_line(q, out, "end", NULL);
	return r < 0 ? r : QUERY_ENDED;
}

static int follow(struct query *q, struct store *s, struct buf *out)
{
	int64_t newest = q->spec.events ? s->event_id : s->record_id;
	struct place from = { 0, q->newest_id }, to = { 0, q->newest_id + ROWS_PER_STEP };
	unsigned rows;
	sqlite3_stmt *st = NULL;
	int r;

	if (q->newest_id >= newest)
		return QUERY_WAITS;
	if (to.id > newest)
		to.id = newest;
	r = select_rows(q, s, true, "id > ?2 AND id <= ?4", "ORDER BY id", from, to, &st);
	if (r == 0)
		r = put_rows(q, st, out, &rows, &from);
	if (r < 0)
		return r;
	q->newest_id = to.id;
	return to.id < newest ? QUERY_MORE : QUERY_WAITS;
}

/* Walks back through the entries; *ret_done: nothing older is left. */
static int look_for_id(struct query *q, struct store *s, bool *ret_done)
{
	struct place from = { 0, q->at.id - WINDOW_MAX };
	sqlite3_stmt *st = NULL;
	int64_t oldest;
	int rc, r = store_number(s->db, "SELECT min(id) FROM entry", &oldest);

	if (r < 0)
		return r;
	*ret_done = from.id < oldest;
	r = select_rows(q, s, false,
			"id > ?2 AND id <= ?4 AND request_id >= ?6 AND request_id <= ?7", "LIMIT 2",
			from, q->at, &st);
	if (r < 0)
		return r;
	(void)sqlite3_bind_blob(st, 6, q->spec.id_from, sizeof(q->spec.id_from), SQLITE_STATIC);
	(void)sqlite3_bind_blob(st, 7, q->spec.id_to, sizeof(q->spec.id_to), SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		q->n_found++;
		q->found =
			(struct place){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1) };
	}
	(void)sqlite3_finalize(st);
	q->at = from;
	return store_errno(rc);
}

static int put_not_found(const struct query *q, struct buf *out)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
		       "request %s: no record has that id, or retention has taken it: `egret audit "
		       "list` shows what there is",
		       q->spec.id);
	return query_put_error(out, "not_found", text);
}

static int put_found(const struct query *q, struct store *s, struct buf *out)
{
	sqlite3_stmt *st = NULL;
	int rc, r = select_rows(q, s, true, "id = ?2", "", q->found, q->found, &st);

	if (r < 0)
		return r;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = put_line(q, out, "end", st);
	else if (rc == SQLITE_DONE) /* retention was faster */
		r = put_not_found(q, out);
	(void)sqlite3_finalize(st);
	return r < 0 ? r : store_errno(rc);
}

static int show(struct query *q, struct store *s, struct buf *out)
{
	bool done = false;
	int r = look_for_id(q, s, &done);

	if (r < 0)
		return r;
	/* A whole id has one record; for a beginning the rest must be looked at, too. */
	done |= q->n_found > 1 ||
		(q->n_found == 1 && memcmp(q->spec.id_from, q->spec.id_to, 16) == 0);
	if (!done)
		return QUERY_MORE;
	if (q->n_found > 1)
		r = query_put_error(out, "bad_request",
				    "several records have ids that begin so: give more digits");
	else if (q->n_found == 0)
		r = put_not_found(q, out);
	else
		r = put_found(q, s, out);
	return r < 0 ? r : QUERY_ENDED;
}

int query_step(struct query *q, struct store *s, struct buf *out)
{
	if (!s->db)
		return -EIO;
	if (q->state != START && q->state != FOLLOW && q->changes != s->changes)
		return -EUCLEAN; /* the rest of the list is in another file now */
	switch (q->state) {
	case START:
		return start(q, s);
	case SHOW:
		return show(q, s, out);
	case BACK:
		return go_back(q, s);
	case LIST:
		return list(q, s, out);
	case FOLLOW:
		break;
	}
	return follow(q, s, out);
}
