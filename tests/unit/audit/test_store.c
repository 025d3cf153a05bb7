/* SPDX-License-Identifier: Apache-2.0 */
/* The store and the queries on it, on real files: filters, order, retention, damage, a full disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "audit/query.h"
#include "audit/store.h"
#include "base/json.h"
#include "egret/reasons.h"

#define NOW_US 1790000000000000ull
#define DAY_US (86400ull * 1000000)

struct fixture {
	char dir[64];
	int dir_fd;
	struct store *s;
	struct buf out;
};

static void open_store(struct fixture *f, struct store_opts o)
{
	struct diag d = { 0 };

	if (store_open(f->dir_fd, &o, &d, &f->s) < 0)
		fail_msg("%s", d.text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "%s", "/tmp/egret-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_init(&f->out, 64 << 20);
	open_store(f, (struct store_opts){ 0 });
	*state = f;
	return 0;
}

static void empty_dir(int dir_fd)
{
	DIR *dir = fdopendir(dup(dir_fd));
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir)))
		(void)unlinkat(dir_fd, e->d_name, 0);
	(void)closedir(dir);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	(void)store_free(f->s);
	buf_release(&f->out);
	empty_dir(f->dir_fd);
	(void)close(f->dir_fd);
	(void)!chdir("/");
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static struct eg_record record(uint32_t n)
{
	struct eg_record r = { .time_us = NOW_US + n,
			       .total_us = 5000,
			       .first_us = 900,
			       .status = 200,
			       .pid = 42,
			       .uid = 1000,
			       .cgroup = UINT64_MAX,
			       .worker = 1 };

	memcpy(r.request_id, &n, sizeof(n));
	r.request_id[15] = 0xee;
	(void)snprintf(r.workload, sizeof(r.workload), "%s", n % 10 ? "agents" : "research");
	(void)snprintf(r.provider, sizeof(r.provider), "openai");
	(void)snprintf(r.model, sizeof(r.model), "gpt-4o-%u", n % 3);
	r.decision = n % 5 ? EG_REASON_allowed : EG_REASON_no_rule;
	return r;
}

static void put(struct fixture *f, uint32_t from, uint32_t to)
{
	assert_int_equal(store_begin(f->s), 0);
	for (uint32_t n = from; n < to; n++) {
		struct eg_record r = record(n);

		assert_int_equal(store_put(f->s, &r), 0);
	}
	assert_int_equal(store_commit(f->s), 0);
}

static struct query *ask(const char *request)
{
	struct query *q = NULL;
	struct query_error e = { 0 };

	if (query_new(slice_str(request), &e, &q) < 0)
		fail_msg("%s: %s", e.reason, e.message);
	return q;
}

/* Runs a query as far as it goes; its lines are in f->out. */
static int run(struct fixture *f, struct query *q)
{
	int r;

	do {
		r = query_step(q, f->s, &f->out);
	} while (r == QUERY_MORE);
	return r;
}

/* Takes a line from f->out and gives its `kind` object; NULL when there is none, or another. */
static json_t *take(struct fixture *f, const char *kind)
{
	struct slice s = buf_slice(&f->out);
	const char *nl = memchr(s.p, '\n', s.n);
	json_t *line, *value;

	if (!nl)
		return NULL;
	line = json_loadb(s.p, (size_t)(nl - s.p), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	buf_consume(&f->out, (size_t)(nl + 1 - s.p));
	value = json_incref(json_object_get(line, kind));
	json_decref(line);
	return value;
}

static size_t count_rows(struct fixture *f, const char *request)
{
	struct query *q = ask(request);
	uint64_t last = 0;
	size_t n = 0;
	json_t *row;

	assert_int_equal(run(f, q), QUERY_ENDED);
	while ((row = take(f, "row"))) {
		uint64_t t = (uint64_t)json_integer_value(json_object_get(row, "time_us"));

		assert_true(t >= last);
		last = t;
		n++;
		json_decref(row);
	}
	assert_int_equal(buf_len(&f->out), 0); /* the line that was no row was the last */
	(void)query_free(q);
	return n;
}

static void assert_text(json_t *row, const char *key, const char *want)
{
	const char *have = json_string_value(json_object_get(row, key));

	if (!want)
		assert_null(have);
	else
		assert_string_equal(have ? have : "(none)", want);
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

static void same_record_twice_is_one(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 10);
	put(f, 5, 15);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 15);
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

static void filters_select(void **state)
{
	static const struct {
		const char *args;
		size_t n;
	} cases[] = {
		{ "{}", 3000 },
		{ "{\"workload\":\"research\"}", 300 },
		{ "{\"workload\":\"nobody\"}", 0 },
		{ "{\"decision\":\"denied\"}", 600 },
		{ "{\"decision\":\"no_rule\"}", 600 },
		{ "{\"decision\":\"allowed\"}", 2400 },
		{ "{\"model\":\"gpt-4o-1\"}", 1000 },
		{ "{\"model\":\"gpt-*-1\"}", 1000 },
		{ "{\"model\":\"gpt*\"}", 3000 },
		{ "{\"model\":\"gpt-4?-1*\"}", 0 },
		{ "{\"model\":\"gpt-[4]o-1*\"}", 0 },
		{ "{\"provider\":\"openai\",\"workload\":\"research\",\"model\":\"*-2\"}", 100 },
		{ "{\"since_us\":1790000000002990}", 10 },
		{ "{\"until_us\":1790000000000009}", 10 },
		{ "{\"since_us\":1790000000000100,\"until_us\":1790000000000199}", 100 },
		{ "{\"since_us\":1790000000000200,\"until_us\":1790000000000199}", 0 },
		{ "{\"limit\":0}", 0 },
		{ "{\"limit\":7}", 7 },
		{ "{\"limit\":100000}", 3000 },
		{ "{\"limit\":7,\"workload\":\"research\"}", 7 },
		{ "{\"limit\":7,\"workload\":\"nobody\"}", 0 },
		{ "{\"limit\":20,\"since_us\":1790000000002990}", 10 },
		{ "{\"limit\":5,\"until_us\":1790000000000009}", 5 },
		{ "{\"workload\":\"' OR 1=1 --\"}", 0 },
	};
	struct fixture *f = *state;
	char request[512];

	put(f, 0, 3000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), "{\"cmd\":\"audit.list\",\"args\":%s}",
			       cases[i].args);
		if (count_rows(f, request) != cases[i].n)
			fail_msg("%s: not %zu", cases[i].args, cases[i].n);
	}
}

static void limit_takes_the_newest(void **state)
{
	struct fixture *f = *state;
	struct query *q =
		ask("{\"cmd\":\"audit.list\",\"args\":{\"limit\":2,\"workload\":\"research\"}}");
	json_t *row;

	put(f, 0, 2000);
	assert_int_equal(run(f, q), QUERY_ENDED);
	row = take(f, "row");
	assert_int_equal(json_integer_value(json_object_get(row, "time_us")), NOW_US + 1980);
	json_decref(row);
	row = take(f, "row");
	assert_int_equal(json_integer_value(json_object_get(row, "time_us")), NOW_US + 1990);
	json_decref(row);
	(void)query_free(q);
}

static void rows_of_one_moment_are_all_listed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_begin(f->s), 0);
	for (uint32_t n = 0; n < 1700; n++) {
		struct eg_record r = record(n);

		r.time_us = NOW_US;
		assert_int_equal(store_put(f->s, &r), 0);
	}
	assert_int_equal(store_commit(f->s), 0);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\"}"), 1700);
	assert_int_equal(count_rows(f, "{\"cmd\":\"audit.list\",\"args\":{\"limit\":900}}"), 900);
}

static void a_list_does_not_grow_while_it_is_read(void **state)
{
	struct fixture *f = *state;
	struct query *q = ask("{\"cmd\":\"audit.list\"}");
	size_t n = 0;
	json_t *row;

	put(f, 0, 700);
	assert_int_equal(query_step(q, f->s, &f->out), QUERY_MORE);
	assert_int_equal(query_step(q, f->s, &f->out), QUERY_MORE);
	put(f, 700, 900);
	assert_int_equal(run(f, q), QUERY_ENDED);
	while ((row = take(f, "row"))) {
		n++;
		json_decref(row);
	}
	assert_int_equal(n, 700);
	(void)query_free(q);
}

static size_t drop_rows(struct fixture *f)
{
	size_t n = 0;
	json_t *row;

	while ((row = take(f, "row"))) {
		n++;
		json_decref(row);
	}
	return n;
}

static void a_watch_sees_each_new_row_once(void **state)
{
	struct fixture *f = *state;
	struct query *q = ask("{\"cmd\":\"audit.tail\",\"args\":{\"decision\":\"denied\"}}");

	put(f, 0, 1000);
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 10);
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 0);
	put(f, 1000, 2200);
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 240);
	/* Late ends of early requests, too. */
	{
		struct eg_record r = record(5000);

		r.time_us = NOW_US - DAY_US;
		assert_int_equal(store_begin(f->s), 0);
		assert_int_equal(store_put(f->s, &r), 0);
		assert_int_equal(store_commit(f->s), 0);
	}
	assert_int_equal(run(f, q), QUERY_WAITS);
	assert_int_equal(drop_rows(f), 1);
	(void)query_free(q);
}

static void show_wants_one(void **state)
{
	static const struct {
		const char *id;
		const char *reason; /* NULL: found */
	} cases[] = {
		{ "05000000", NULL },
		{ "050000000000000000000000000000ee", NULL },
		{ "050000000000000000000000000000EE", NULL },
		{ "0500000000", NULL },
		{ "050000000000000000000000000000e", NULL },
		{ "99000000", "not_found" },
		{ "00000000", "bad_request" },
	};
	struct fixture *f = *state;
	struct eg_record twin = record(0);

	put(f, 0, 10);
	twin.request_id[8] = 1;
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put(f->s, &twin), 0);
	assert_int_equal(store_commit(f->s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char request[256];
		struct query *q;
		json_t *line;

		(void)snprintf(request, sizeof(request),
			       "{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"%s\"}}",
			       cases[i].id);
		q = ask(request);
		assert_int_equal(run(f, q), QUERY_ENDED);
		line = take(f, cases[i].reason ? "error" : "end");
		assert_non_null(line);
		if (cases[i].reason)
			assert_text(line, "reason", cases[i].reason);
		assert_int_equal(buf_len(&f->out), 0);
		json_decref(line);
		(void)query_free(q);
	}
}

static void bad_requests_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"cmd\":1}",
		"{\"cmd\":\"audit.list\",\"args\":[]}",
		"{\"cmd\":\"audit.drop\"}",
		"{\"cmd\":\"audit.list\",\"args\":{\"limit\":-1}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"limit\":\"3\"}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"limit\":1.5}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"workload\":3}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"workloads\":\"a\"}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"decision\":\"maybe\"}}",
		"{\"cmd\":\"audit.list\",\"args\":{\"workload\":\"a\",\"workload\":\"b\"}}",
		"{\"cmd\":\"audit.tail\",\"args\":{\"since_us\":1}}",
		"{\"cmd\":\"audit.show\"}",
		"{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"1234567\"}}",
		"{\"cmd\":\"audit.show\",\"args\":{\"request_id\":\"1234567x\"}}",
		"{\"cmd\":\"audit.show\",\"args\":{\"request_id\":"
		"\"0500000000000000000000000000000000\"}}",
		"{\"cmd\":\"event.list\",\"args\":{\"model\":\"x\"}}",
		"{\"cmd\":\"event.list\",\"args\":{\"reason\":\"denied\"}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct query_error e = { 0 };
		struct query *q = NULL;

		assert_int_equal(query_new(slice_str(bad[i]), &e, &q), -EINVAL);
		assert_true(e.reason && e.message[0]);
	}
}

static void events_are_kept_and_filtered(void **state)
{
	struct fixture *f = *state;
	struct eg_note n = { .time_us = NOW_US, .reason = EG_REASON_k_udp, .pid = 7, .hook = 2 };
	struct query *q;
	json_t *row;

	(void)snprintf(n.text, sizeof(n.text), "%s", "use TCP");
	assert_int_equal(store_begin(f->s), 0);
	assert_int_equal(store_put_event(f->s, &n), 0);
	n.reason = 4000000;
	memset(n.exe, 'e', sizeof(n.exe));
	assert_int_equal(store_put_event(f->s, &n), 0);
	assert_int_equal(store_commit(f->s), 0);
	assert_int_equal(count_rows(f, "{\"cmd\":\"event.list\"}"), 2);
	q = ask("{\"cmd\":\"event.list\",\"args\":{\"reason\":\"k_udp\"}}");
	assert_int_equal(run(f, q), QUERY_ENDED);
	row = take(f, "row");
	assert_text(row, "hook", "sendmsg4");
	assert_text(row, "text", "use TCP");
	json_decref(row);
	(void)query_free(q);
}

/* ---- retention ---- */

static void reopen(struct fixture *f, struct store_opts o)
{
	f->s = store_free(f->s);
	open_store(f, o);
}

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
	reopen(f, (struct store_opts){ .max_bytes = 2 << 20 });
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
		T(same_record_twice_is_one),
		T(rolled_back_records_are_not_there),
		T(filters_select),
		T(limit_takes_the_newest),
		T(rows_of_one_moment_are_all_listed),
		T(a_list_does_not_grow_while_it_is_read),
		T(a_watch_sees_each_new_row_once),
		T(show_wants_one),
		T(bad_requests_are_refused),
		T(events_are_kept_and_filtered),
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
