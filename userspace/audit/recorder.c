/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/recorder.h"

#include <string.h>

#include "audit/answer.h"
#include "audit/drain.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "egret/reasons.h"
#include "event/channel.h"

#define COMMIT_MS_DEFAULT 50u
#define COMMIT_MS_MAX	  10000u
#define KEEP_DAYS_MAX	  36500u
#define MAX_BYTES_LEAST	  (1024u * 1024) /* an empty database with its indices is not far below */
#define TRIM_EVERY_US	  (60ull * 1000000)
#define ORPHANED_US	  (5ull * 1000000) /* to finish when the monitor is gone */

struct recorder {
	struct loop *loop;
	struct channel *monitor;
	int dir_fd;
	struct store *store;
	struct drain *drain;
	struct answers *answers;
	struct timer trim;
	struct idle trimming;
	struct timer stop_at;
	unsigned commit_ms;
	int status;
	uint64_t damaged_us; /* the database was found so at start and set aside */
	int waits; /* -errno: it could not be opened, and is when that is over */
};

/* ---- what the drain says ---- */

static void on_stored(void *ctx)
{
	struct recorder *r = ctx;

	answers_wake(r->answers);
}

static void on_note(void *ctx, const struct eg_note *n)
{
	struct recorder *r = ctx;

	log_write(n->reason == EG_REASON_allowed ? LOG_INFO : LOG_ERROR, "%s", n->text);
	(void)!channel_send(r->monitor, EG_MSG_note, n, sizeof(*n), NULL, 0);
}

static void on_finished(void *ctx)
{
	struct recorder *r = ctx;

	loop_stop(r->loop);
}

/* ---- retention ---- */

static void on_trimming(struct idle *i)
{
	struct recorder *r = container_of(i, struct recorder, trimming);

	/* A failure shows at the next transaction too, and is dealt with there. */
	if (store_trim(r->store, clock_wall_us()) != 1)
		idle_disarm(i);
}

static void on_trim(struct timer *t)
{
	struct recorder *r = container_of(t, struct recorder, trim);

	idle_arm(&r->trimming, r->loop, on_trimming);
	timer_start(t, r->loop, TRIM_EVERY_US, on_trim);
}

/* ---- the end ---- */

static void on_stop_time(struct timer *t)
{
	struct recorder *r = container_of(t, struct recorder, stop_at);

	log_error("stopped before every record was stored; they are kept in the slabs");
	r->status = 1;
	loop_stop(r->loop);
}

static void finish(struct recorder *r, uint64_t within_us)
{
	timer_start(&r->stop_at, r->loop, within_us, on_stop_time);
	drain_finish(r->drain);
}

static void on_monitor_close(struct channel *ch, void *ctx, int error)
{
	struct recorder *r = ctx;

	(void)ch;
	if (error < 0) {
		log_error("the channel to the monitor ended: %s", strerror(-error));
		r->status = 1;
	}
	finish(r, ORPHANED_US);
}

/* ---- messages ---- */

static void on_slab(struct recorder *r, struct msg *m)
{
	struct eg_slab q;
	struct slab *slab = NULL;
	int error = -EPROTO;

	if (m->body.n == sizeof(q) && m->n_fds == 2) {
		memcpy(&q, m->body.p, sizeof(q));
		error = slab_new(TAKE_FD(m->fds[0]), TAKE_FD(m->fds[1]), &slab);
		if (error == 0)
			error = drain_add(r->drain, q.worker, slab);
	}
	if (error < 0)
		drain_note(r->drain, EG_REASON_audit_unavailable,
			   "audit slab: the recorder cannot map it: %s", strerror(-error));
}

static void on_slab_orphan(struct recorder *r, struct msg *m)
{
	struct eg_slab q;

	if (m->body.n != sizeof(q))
		return;
	memcpy(&q, m->body.p, sizeof(q));
	drain_orphan(r->drain, q.worker);
}

static void on_event(struct recorder *r, struct msg *m)
{
	struct eg_note n;

	if (m->body.n != sizeof(n))
		return;
	memcpy(&n, m->body.p, sizeof(n));
	drain_event(r->drain, &n);
}

static void on_query(struct recorder *r, struct msg *m)
{
	if (m->n_fds == 1)
		answers_add(r->answers, TAKE_FD(m->fds[0]), m->body);
}

static void on_stop(struct recorder *r, struct msg *m)
{
	struct eg_stop q = { 0 };

	if (m->body.n == sizeof(q))
		memcpy(&q, m->body.p, sizeof(q));
	finish(r, q.deadline_ms ? q.deadline_ms * 1000ull : ORPHANED_US);
}

static void on_log_level(struct recorder *r, struct msg *m)
{
	(void)r;
	log_told_level(m->body);
}

static const struct {
	uint16_t type;
	void (*run)(struct recorder *r, struct msg *m);
} table[] = {
	{ EG_MSG_slab, on_slab },   { EG_MSG_slab_orphan, on_slab_orphan },
	{ EG_MSG_event, on_event }, { EG_MSG_query, on_query },
	{ EG_MSG_stop, on_stop },   { EG_MSG_log_level, on_log_level },
};

static void on_msg(struct channel *ch, void *ctx, struct msg *m)
{
	(void)ch;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].type == m->type) {
			table[i].run(ctx, m);
			return;
		}
	}
	log_warn("message of type %u from the monitor is not for the recorder", m->type);
}

/* ---- life ---- */

static bool get_number(json_t *root, const char *name, uint64_t otherwise, uint64_t max,
		       uint64_t *ret)
{
	json_t *value = json_object_get(root, name);

	*ret = otherwise;
	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return false;
	*ret = (uint64_t)json_integer_value(value);
	return true;
}

static int configure(struct slice config, struct store_opts *o, unsigned *ret_commit_ms,
		     struct diag *d)
{
	json_t *root = json_loadb(config.p, config.n, JSON_REJECT_DUPLICATES, NULL);
	uint64_t days, commit_ms;
	bool ok = json_is_object(root) && get_number(root, "keep_days", 0, KEEP_DAYS_MAX, &days) &&
		  get_number(root, "max_bytes", 0, INT64_MAX, &o->max_bytes) &&
		  get_number(root, "commit_ms", COMMIT_MS_DEFAULT, COMMIT_MS_MAX, &commit_ms);

	json_decref(root);
	if (!ok)
		return diag_at(d, 0, 0, "recorder: its configuration is malformed");
	if (o->max_bytes && o->max_bytes < MAX_BYTES_LEAST)
		o->max_bytes = MAX_BYTES_LEAST;
	o->keep_days = (unsigned)days;
	*ret_commit_ms = (unsigned)commit_ms;
	return 0;
}

static int open_store(struct recorder *r, struct slice config, struct diag *d)
{
	struct store_opts o = { 0 };
	int e = configure(config, &o, &r->commit_ms, d);

	if (e == 0)
		e = store_open(r->dir_fd, &o, d, &r->store);
	if (e == -EUCLEAN) {
		uint64_t now_us = clock_wall_us();

		e = store_set_aside(r->store, now_us);
		r->damaged_us = e == 0 ? now_us : 0;
	}
	/* As when it fails later: records wait in the slabs, and what finds them full is denied. */
	if (e < 0 && r->store) {
		r->waits = e;
		e = 0;
	}
	return e;
}

static int set_up(struct recorder *r, int *channel_fd)
{
	struct channel_opts copts = {
		.peer_role = EG_MONITOR, .on_msg = on_msg, .on_close = on_monitor_close, .ctx = r
	};
	struct drain_opts dopts = { .commit_ms = r->commit_ms,
				    .on_stored = on_stored,
				    .on_note = on_note,
				    .on_finished = on_finished,
				    .ctx = r };
	int e;

	r->loop = loop_new();
	if (!r->loop)
		return -ENOMEM;
	e = channel_new(r->loop, *channel_fd, &copts, &r->monitor);
	if (e == 0)
		*channel_fd = -EBADF;
	if (e == 0)
		e = drain_new(r->loop, r->store, &dopts, &r->drain);
	if (e == 0)
		e = answers_new(r->loop, r->store, &r->answers);
	return e;
}

int recorder_new(int channel_fd, const struct eg_start *start, struct slice config, const int *fds,
		 unsigned n_fds, struct diag *d, struct recorder **ret)
{
	struct recorder *r = calloc(1, sizeof(*r));
	int e = -ENOMEM;

	(void)start;
	if (r) {
		r->dir_fd = n_fds ? fds[0] : -EBADF;
		e = open_store(r, config, d);
		if (e == 0)
			e = set_up(r, &channel_fd);
	}
	for (unsigned i = r ? 1 : 0; i < n_fds; i++)
		(void)close(fds[i]);
	if (e < 0) {
		cleanup_close(&channel_fd);
		(void)recorder_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

int recorder_run(struct recorder *r)
{
	if (channel_send(r->monitor, EG_MSG_ready, NULL, 0, NULL, 0) < 0)
		return 1;
	if (r->damaged_us)
		drain_was_damaged(r->drain, r->damaged_us);
	if (r->waits)
		drain_wait(r->drain, r->waits);
	on_trim(&r->trim);
	loop_run(r->loop);
	return r->status;
}

struct recorder *recorder_free(struct recorder *r)
{
	if (!r)
		return NULL;
	r->answers = answers_free(r->answers);
	r->drain = drain_free(r->drain);
	r->store = store_free(r->store);
	if (r->loop) {
		timer_stop(&r->trim);
		timer_stop(&r->stop_at);
		idle_disarm(&r->trimming);
	}
	r->monitor = channel_free(r->monitor);
	r->loop = loop_free(r->loop);
	cleanup_close(&r->dir_fd);
	free(r);
	return NULL;
}
