/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, records to put into it, queries read back line by line. */
#pragma once

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

static inline void open_store(struct fixture *f, struct store_opts o)
{
	struct diag d = { 0 };

	if (store_open(f->dir_fd, &o, &d, &f->s) < 0)
		fail_msg("%s", d.text);
}

static inline int set_up(void **state)
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

static inline void empty_dir(int dir_fd)
{
	DIR *dir = fdopendir(dup(dir_fd));
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir)))
		(void)unlinkat(dir_fd, e->d_name, 0);
	(void)closedir(dir);
}

static inline int tear_down(void **state)
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

static inline struct eg_record record(uint32_t n)
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

static inline void put(struct fixture *f, uint32_t from, uint32_t to)
{
	assert_int_equal(store_begin(f->s), 0);
	for (uint32_t n = from; n < to; n++) {
		struct eg_record r = record(n);

		assert_int_equal(store_put(f->s, &r), 0);
	}
	assert_int_equal(store_commit(f->s), 0);
}

static inline struct query *ask(const char *request)
{
	struct query *q = NULL;
	struct query_error e = { 0 };

	if (query_new(slice_str(request), &e, &q) < 0)
		fail_msg("%s: %s", e.reason, e.message);
	return q;
}

/* Runs a query as far as it goes; its lines are in f->out. */
static inline int run(struct fixture *f, struct query *q)
{
	int r;

	do {
		r = query_step(q, f->s, &f->out);
	} while (r == QUERY_MORE);
	return r;
}

/* Takes a line from f->out and gives its `kind` object; NULL when there is none, or another. */
static inline json_t *take(struct fixture *f, const char *kind)
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

static inline size_t count_rows(struct fixture *f, const char *request)
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

static inline void assert_text(json_t *row, const char *key, const char *want)
{
	const char *have = json_string_value(json_object_get(row, key));

	if (!want)
		assert_null(have);
	else
		assert_string_equal(have ? have : "(none)", want);
}
