/* SPDX-License-Identifier: Apache-2.0 */
/* What records have in common: stored once, right for each, gone with the last that needs it; and
 * databases from before it was so. */
#include "store_fixture.h"

/* Its steps are history: the first makes what there was then. */
#include "../../../userspace/audit/store_schema.c"

#define LIST "{\"cmd\":\"audit.list\"}"

static int64_t number(const char *sql)
{
	sqlite3 *db = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open("audit.db", &db), SQLITE_OK);
	assert_int_equal(store_number(db, sql, &n), 0);
	(void)sqlite3_close(db);
	return n;
}

static void reopen(struct fixture *f, struct store_opts o)
{
	f->s = store_free(f->s);
	open_store(f, o);
}

static void put_one(struct fixture *f, const struct eg_record *r)
{
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put(f->s, r), 0);
	assert_int_equal(store_commit(f->s), 0);
}

static void what_repeats_is_stored_once(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 1000);
	put(f, 1000, 2000);
	assert_int_equal(number("SELECT count(*) FROM principal"), 2); /* two workloads */
	assert_int_equal(number("SELECT count(*) FROM route"), 3); /* three models */
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"workload\":"
				       "\"research\"}}"),
			 200);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"workload\":"
				       "\"research\",\"model\":\"gpt-4o-1\"}}"),
			 67);
}

/* More of them than are remembered, each differing in one field only: none takes another's. */
static void each_record_has_its_own(void **state)
{
	struct fixture *f = *state;
	struct eg_record r;
	json_t *row;
	struct query *q;
	char want[32];

	assert_int_equal(store_begin(f->s), 0);
	for (uint32_t n = 0; n < 3000; n++) {
		r = record(n);
		(void)snprintf(r.container, sizeof(r.container), "c%u", n % 1500);
		(void)snprintf(r.host, sizeof(r.host), "h%u", n % 700);
		r.flags = n & 1 ? EG_RECORD_HASHED : 0;
		assert_int_equal(store_put(f->s, &r), 0);
	}
	assert_int_equal(store_commit(f->s), 0);
	q = ask(LIST);
	assert_int_equal(run(f, q), QUERY_ENDED);
	for (uint32_t n = 0; n < 3000; n++) {
		row = take(f, "row");
		assert_non_null(row);
		(void)snprintf(want, sizeof(want), "c%u", n % 1500);
		assert_text(row, "container", want);
		(void)snprintf(want, sizeof(want), "h%u", n % 700);
		assert_text(row, "host", want);
		assert_int_equal(json_object_get(row, "exe_sha256") != NULL, n & 1);
		json_decref(row);
	}
	buf_clear(&f->out);
	(void)query_free(q);
}

/* A row that a transaction added is not there when it was rolled back, and is added again. */
static void rolled_back_rows_are_not_referred_to(void **state)
{
	struct fixture *f = *state;
	struct eg_record r = record(1);

	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put(f->s, &r), 0);
	store_rollback(f->s);
	put_one(f, &r);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"workload\":"
				       "\"agents\",\"model\":\"gpt-4o-1\"}}"),
			 1);
}

static void trim(struct fixture *f, uint64_t now_us)
{
	int r, rounds = 0;

	while ((r = store_trim(f->s, now_us)) == 1)
		assert_true(++rounds < 1000);
	assert_int_equal(r, 0);
}

/* Retention takes what only deleted entries refer to, and nothing that one still needs. */
static void what_nobody_needs_goes(void **state)
{
	struct fixture *f = *state;
	struct store_opts o = { .keep_days = 3 };

	put(f, 0, 1000);
	reopen(f, o); /* begins anew */
	put(f, 1000, 2000);
	assert_int_equal(number("SELECT count(*) FROM principal"), 4);
	trim(f, NOW_US + 3 * DAY_US + 500);
	assert_int_equal(number("SELECT count(*) FROM principal"), 4);
	trim(f, NOW_US + 3 * DAY_US + 1000);
	assert_int_equal(number("SELECT count(*) FROM principal"), 2);
	assert_int_equal(number("SELECT count(*) FROM route"), 3);
	assert_int_equal(number("SELECT count(*) FROM record WHERE workload IS NULL"), 0);
	assert_int_equal(number("SELECT count(*) FROM record"), 1000);
	/* All of it, and what comes then is not taken for old. */
	trim(f, NOW_US + 4 * DAY_US);
	assert_int_equal(number("SELECT count(*) FROM record"), 0);
	reopen(f, o);
	put(f, 3000, 3010);
	trim(f, NOW_US);
	trim(f, NOW_US + 3 * DAY_US + 3005);
	assert_int_equal(number("SELECT count(*) FROM record WHERE workload <> '' AND model <> ''"),
			 5);
}

static const char insert[] =
	"INSERT INTO record SELECT value,%s,%lld+value,'allowed','client_gone',200,"
	"CASE value%%10 WHEN 0 THEN 'research' ELSE 'agents' "
	"END,'openai','chat','m','h','POST','/p',"
	"'r','','c',7,1,2,3,4,42,9,1000,1000,'/exe',CASE value%%2 WHEN 0 THEN x'%064d' "
	"END,5,'/g','',"
	"NULL,'',1,0,1 FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value+1 FROM n"
	" WHERE value<%d) SELECT value FROM n)";

/* A database as version 1 made it, with `n` records. */
static void make_old(struct fixture *f, const char *id, int n)
{
	char sql[1024];
	sqlite3 *db = NULL;

	f->s = store_free(f->s);
	empty_dir(f->dir_fd);
	assert_int_equal(sqlite3_open("audit.db", &db), SQLITE_OK);
	assert_int_equal(store_exec(db, steps[0]), 0);
	assert_int_equal(store_exec(db, "PRAGMA user_version=1"), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(sql, sizeof(sql), insert, id, (long long)NOW_US, 0, n);
#pragma GCC diagnostic pop
	assert_int_equal(store_exec(db, sql), 0);
	(void)sqlite3_close(db);
}

static void older_database_is_converted(void **state)
{
	struct fixture *f = *state;
	struct query *q;
	json_t *end;

	make_old(f, "CAST(substr('00000000'||value,-8)||'abcdefgh' AS BLOB)", 1000);
	reopen(f, (struct store_opts){ 0 });
	assert_int_equal(count_rows(f, LIST), 1000);
	assert_int_equal(number("SELECT count(*) FROM principal"), 3); /* by name and hash */
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"workload\":"
				       "\"research\"}}"),
			 100);
	/* '00000007abcdefgh' */
	q = ask("{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"3030303030303037\"}}");
	assert_int_equal(run(f, q), QUERY_ENDED);
	end = take(f, "end");
	assert_non_null(end);
	assert_text(end, "end", "client_gone");
	assert_text(end, "workload", "agents");
	assert_text(end, "exe", "/exe");
	assert_text(end, "exe_sha256", NULL);
	assert_text(end, "rule", "r");
	assert_int_equal(json_integer_value(json_object_get(end, "max_tokens")), 7);
	json_decref(end);
	(void)query_free(q);
	/* And it goes on. */
	put(f, 5000, 5010);
	assert_int_equal(count_rows(f, LIST), 1010);
	trim(f, NOW_US);
	reopen(f, (struct store_opts){ .keep_days = 3 });
	trim(f, NOW_US + 3 * DAY_US + 4000);
	assert_int_equal(number("SELECT count(*) FROM record WHERE workload <> ''"), 10);
}

/* One that would take too long is refused, whole, with what to do. */
static void large_older_database_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct store_opts o = { 0 };
	struct diag d = { 0 };
	struct store *s = NULL;

	make_old(f, "zeroblob(16)", COPY_MAX + 1);
	assert_int_equal(store_open(f->dir_fd, &o, &d, &s), -EPROTO);
	assert_non_null(strstr(d.text, "move the file away"));
	assert_int_equal(number("SELECT count(*) FROM record"), COPY_MAX + 1);
	assert_int_equal(number("PRAGMA user_version"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(what_repeats_is_stored_once),		 T(each_record_has_its_own),
		T(rolled_back_rows_are_not_referred_to), T(what_nobody_needs_goes),
		T(older_database_is_converted),		 T(large_older_database_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
