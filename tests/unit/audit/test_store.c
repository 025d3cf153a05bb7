/* SPDX-License-Identifier: Apache-2.0 */
/* The store on real files: what goes in comes out once, retention, damage, locks, a full disk. */
#include "store_fixture.h"

static void reopen(struct fixture *f, struct store_opts o)
{
	f->s = store_free(f->s);
	open_store(f, o);
}

static void record_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct eg_record r = record(1);
	struct query *q;
	json_t *end;

	r.flags = EG_RECORD_HASHED | EG_RECORD_STREAM | EG_RECORD_DIRECT_KEY;
	r.key_fingerprint = 0xab;
	r.exe_sha256[0] = 0x12;
	r.end = EG_REASON_client_gone;
	(void)snprintf(r.path, sizeof(r.path), "%s",
		       "/v1/chat\n\"\\\xff\xc0\x80\xed\xa0\x80\xf0\x9f\x98\x80");
	memset(r.model, 'm', sizeof(r.model)); /* unterminated, as only a bug could make it */
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put(f->s, &r), 0);
	assert_int_equal(store_commit(f->s), 0);
	q = ask("{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"01000000\"}}");
	assert_int_equal(run(f, q), QUERY_ENDED);
	end = take(f, "end");
	assert_non_null(end);
	assert_text(end, "request_id", "010000000000000000000000000000ee");
	assert_text(end, "decision", "allowed");
	assert_text(end, "end", "client_gone");
	assert_text(end, "key_fingerprint", "00000000000000ab");
	assert_text(end, "path",
		    "/v1/chat\n\"\\\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef"
		    "\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80");
	assert_text(end, "rule", NULL);
	assert_int_equal(strlen(json_string_value(json_object_get(end, "model"))), 128);
	assert_int_equal(strlen(json_string_value(json_object_get(end, "exe_sha256"))), 64);
	assert_true(json_is_true(json_object_get(end, "stream")));
	assert_null(json_object_get(end, "capped"));
	assert_true(json_integer_value(json_object_get(end, "cgroup")) == INT64_MAX);
	json_decref(end);
	(void)query_free(q);
}

/* What a recorder stored and did not live to release comes again, through any number of deaths. */
static void records_of_the_last_commit_are_not_stored_twice(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 5);
	put(f, 5, 10);
	reopen(f, (struct store_opts){ 0 });
	/* Killed again, after a commit of some that are there and some that are new. */
	put(f, 7, 12);
	reopen(f, (struct store_opts){ 0 });
	put(f, 5, 15);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 15);
	/* Released, and on it goes: later ones are new whatever they are called. */
	put(f, 20, 25);
	reopen(f, (struct store_opts){ 0 });
	put(f, 20, 30);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 25);
}

/* Entries go to SQLite by the dozen: whatever their number, all are there, in order, once. */
static void any_number_of_records_is_whole(void **state)
{
	static const uint32_t counts[] = { 1, 31, 32, 33, 63, 64, 65, 200 };
	struct fixture *f = *state;
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		put(f, n, n + counts[i]);
		n += counts[i];
		assert_int_equal(
			count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"limit\":1000}}"), n);
		/* Some are with SQLite already, some wait for it: all go. */
		assert_int_equal(store_begin(f->s), 0);
		for (uint32_t k = 0; k < counts[i]; k++) {
			struct eg_record r = record(10000 + k);

			assert_int_equal(store_put(f->s, &r), 0);
		}
		store_rollback(f->s);
	}
	reopen(f, (struct store_opts){ 0 });
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"limit\":1000}}"), n);
}

static void rolled_back_records_are_not_there(void **state)
{
	struct fixture *f = *state;
	struct eg_record r = record(1);

	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put(f->s, &r), 0);
	store_rollback(f->s);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 0);
	put(f, 1, 3);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 2);
}

/* ---- retention ---- */

static void trim(struct fixture *f, uint64_t now_us)
{
	int r, rounds = 0;

	while ((r = store_trim(f->s, now_us)) == 1)
		assert_true(++rounds < 1000);
	assert_int_equal(r, 0);
}

static void old_records_go_by_days(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 2000);
	reopen(f, (struct store_opts){ .keep_days = 3 });
	trim(f, NOW_US + 3 * DAY_US + 1500);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 500);
	trim(f, NOW_US + 4 * DAY_US);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 0);
	/* Ids go on: a watch that stands at the last one sees what comes. */
	put(f, 3000, 3001);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 1);
}

static void oldest_go_by_bytes(void **state)
{
	struct fixture *f = *state;
	size_t n;

	put(f, 0, 20000);
	reopen(f, (struct store_opts){ .max_bytes = 1 << 20 });
	trim(f, NOW_US);
	n = count_rows(f, "{\"cmd\":\"audit.list\"}");
	assert_true(n > 1000 && n < 19000);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"since_us\":"
				       "1790000000019999}}"),
			 1);
}

/* ---- damage ---- */

static void assert_set_aside(struct fixture *f)
{
	DIR *dir = fdopendir(dup(f->dir_fd));
	struct dirent *e;
	bool found = false;

	rewinddir(dir);
	while ((e = readdir(dir)))
		found |= strncmp(e->d_name, "audit.db.damaged-", 17) == 0;
	(void)closedir(dir);
	assert_true(found);
}

static void garbage_is_set_aside_at_start(void **state)
{
	struct fixture *f = *state;
	struct diag d = { 0 };
	struct store_opts o = { 0 };
	int fd;

	f->s = store_free(f->s);
	empty_dir(f->dir_fd);
	fd = openat(f->dir_fd, "audit.db", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "this is no database", 19), 19);
	(void)close(fd);
	assert_int_equal(store_open(f->dir_fd, &o, &d, &f->s), -EUCLEAN);
	assert_non_null(f->s);
	assert_true(d.text[0]);
	assert_int_equal(store_set_aside(f->s, NOW_US), 0);
	assert_set_aside(f);
	put(f, 0, 5);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 5);
}

static void damage_while_running_is_set_aside(void **state)
{
	struct fixture *f = *state;
	char junk[4096];
	int fd, r = 0;

	put(f, 0, 5000);
	reopen(f, (struct store_opts){ 0 }); /* checkpointed, caches empty */
	memset(junk, 0x5a, sizeof(junk));
	fd = openat(f->dir_fd, "audit.db", O_RDWR | O_CLOEXEC);
	for (off_t at = 4096; at < 400 * 4096; at += 4096)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	(void)close(fd);
	r = store_begin(f->s);
	for (uint32_t n = 9000; r == 0 && n < 9100; n++) {
		struct eg_record rec = record(n);

		r = store_put(f->s, &rec);
	}
	assert_int_equal(r, -EUCLEAN);
	store_rollback(f->s);
	assert_int_equal(store_set_aside(f->s, NOW_US), 0);
	assert_set_aside(f);
	put(f, 9000, 9100);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 100);
}

static void newer_database_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct store_opts o = { 0 };
	struct diag d = { 0 };
	struct store *s = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open("audit.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	f->s = store_free(f->s);
	assert_int_equal(store_open(f->dir_fd, &o, &d, &s), -EPROTO);
	assert_non_null(strstr(d.text, "newer"));
}

static void a_lock_by_others_is_busy(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open("audit.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_begin(f->s), -EBUSY);
	store_rollback(f->s);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	put(f, 0, 1);
	(void)sqlite3_close(db);
}

static void full_disk_loses_nothing_stored(void **state)
{
	struct fixture *f = *state;
	uint32_t n = 0;
	int fd, r = 0;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		skip(); /* needs a mount of its own */
	f->s = store_free(f->s);
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", f->dir, "tmpfs", 0, "size=2m"), 0);
	(void)close(f->dir_fd);
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	open_store(f, (struct store_opts){ 0 });
	/* Batches until one does not fit. */
	while (r == 0) {
		assert_true(n < 100000);
		r = store_begin(f->s);
		for (uint32_t i = 0; i < 100 && r == 0; i++) {
			struct eg_record rec = record(n + i);

			r = store_put(f->s, &rec);
		}
		if (r == 0)
			r = store_commit(f->s);
		if (r == 0)
			n += 100;
	}
	assert_int_equal(r, -ENOSPC);
	store_rollback(f->s);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), n);
	/* Room is made: on it goes. */
	assert_int_equal(mount("tmpfs", f->dir, "tmpfs", MS_REMOUNT, "size=16m"), 0);
	put(f, n, n + 100);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), n + 100);
	f->s = store_free(f->s);
	(void)!chdir("/");
	fd = f->dir_fd;
	f->dir_fd = -EBADF;
	(void)close(fd);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(record_comes_back_as_it_was),
		T(records_of_the_last_commit_are_not_stored_twice),
		T(any_number_of_records_is_whole),
		T(rolled_back_records_are_not_there),
		T(old_records_go_by_days),
		T(oldest_go_by_bytes),
		T(garbage_is_set_aside_at_start),
		T(damage_while_running_is_set_aside),
		T(newer_database_is_left_alone),
		T(a_lock_by_others_is_busy),
		T(full_disk_loses_nothing_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
