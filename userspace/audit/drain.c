/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/drain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "egret/reasons.h"

#define BATCH	       4096u /* records of one slab in one transaction */
#define EVENTS_MAX     1024u
#define PAUSE_FIRST_US 100000ull
#define PAUSE_MAX_US   5000000ull

struct source {
	struct drain *drain;
	struct source *next;
	uint32_t worker;
	struct slab *slab;
	struct io wake;
};

struct drain {
	struct loop *loop;
	struct store *store;
	struct drain_opts opts;
	struct source *sources;
	struct timer round; /* runs when there is, or may be, something to store */
	uint64_t pause_us; /* until the next try; 0: the store works */
	bool told; /* the operator knows that it does not */
	bool damaged; /* he was told of damage, and not yet that the new one works */
	bool finishing;
	bool begun; /* a transaction is open */
	int error; /* of the round's first put that failed */
	struct eg_note *events; /* a ring of EVENTS_MAX */
	size_t first_event, n_events;
};

static void on_round(struct timer *t);

static void schedule(struct drain *d, uint64_t delay_us)
{
	if (!timer_is_running(&d->round))
		timer_start(&d->round, d->loop, delay_us, on_round);
}

/* ---- one transaction ---- */

static bool begin(struct drain *d)
{
	if (d->error == 0 && !d->begun) {
		d->error = store_begin(d->store);
		d->begun = d->error == 0;
	}
	return d->error == 0;
}

static void put(void *ctx, const struct eg_record *r)
{
	struct drain *d = ctx;

	if (begin(d))
		d->error = store_put(d->store, r);
}

static void put_events(struct drain *d)
{
	for (size_t i = 0; i < d->n_events && begin(d); i++)
		d->error = store_put_event(d->store, &d->events[(d->first_event + i) % EVENTS_MAX]);
}

/* Stores a batch of every slab and all events; nothing is given up before it is committed.
 * Returns how many rows, or -errno. *ret_more: some slab has more. */
static int store_batch(struct drain *d, bool *ret_more)
{
	size_t n = 0, events = d->n_events;

	d->error = 0;
	d->begun = false;
	*ret_more = false;
	for (struct source *s = d->sources; s && d->error == 0; s = s->next) {
		size_t taken = slab_drain(s->slab, BATCH, put, d);

		n += taken;
		*ret_more |= taken == BATCH;
	}
	put_events(d);
	if (d->begun && d->error == 0)
		d->error = store_commit(d->store);
	if (d->error < 0) {
		int error = d->error;

		store_rollback(d->store);
		return error;
	}
	for (struct source *s = d->sources; s; s = s->next)
		slab_release(s->slab);
	d->first_event = (d->first_event + events) % EVENTS_MAX;
	d->n_events -= events;
	return (int)(n + events);
}

/* ---- when the store fails ---- */

void drain_note(struct drain *d, uint32_t reason, const char *fmt, ...)
{
	struct eg_note n = { .time_us = clock_wall_us(), .reason = reason };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(n.text, sizeof(n.text), fmt, ap);
	va_end(ap);
	d->opts.on_note(d->opts.ctx, &n);
	drain_event(d, &n);
}

static const char *advice(int error)
{
	return error == -ENOSPC	  ? "free space on the file system of the state directory"
	       : error == -EBUSY  ? "another program holds a lock on it: end that"
	       : error == -EPROTO ? "it is opened as soon as it can be"
				  : "look at the state directory and its disk";
}

static void fail(struct drain *d, int error)
{
	/* A lock held for a moment is nobody's business. */
	bool tell = !d->told && (error != -EBUSY || d->pause_us >= PAUSE_MAX_US / 2);

	d->pause_us = d->pause_us == 0		       ? PAUSE_FIRST_US
		      : d->pause_us * 2 > PAUSE_MAX_US ? PAUSE_MAX_US
						       : d->pause_us * 2;
	if (tell) {
		d->told = true;
		drain_note(d, EG_REASON_audit_unavailable,
			   "audit database: cannot be written (%s); records wait in memory and "
			   "requests are denied when it is full: %s",
			   store_error_text(d->store), advice(error));
	}
	timer_stop(&d->round);
	schedule(d, d->pause_us);
}

void drain_was_damaged(struct drain *d, uint64_t time_us)
{
	drain_note(d, EG_REASON_audit_unavailable,
		   "audit database: it is damaged and was set aside as audit.db.damaged-%llu; a "
		   "new one is begun",
		   (unsigned long long)time_us);
	d->damaged = true;
}

void drain_wait(struct drain *d, int error)
{
	fail(d, error);
}

static void set_aside(struct drain *d)
{
	uint64_t now_us = clock_wall_us();
	int r = store_set_aside(d->store, now_us);

	if (r < 0) {
		fail(d, r);
		return;
	}
	drain_was_damaged(d, now_us);
	timer_stop(&d->round);
	schedule(d, 0);
}

static void recovered(struct drain *d)
{
	bool told = d->told || d->damaged;

	d->pause_us = 0;
	d->told = d->damaged = false;
	if (told)
		drain_note(d, EG_REASON_allowed, "audit database: it can be written again");
}

/* ---- rounds ---- */

/* Asks every worker to wake us; false: something came meanwhile. */
static bool may_sleep(struct drain *d)
{
	bool idle = d->n_events == 0;

	for (struct source *s = d->sources; s; s = s->next)
		idle &= slab_prepare_sleep(s->slab);
	return idle;
}

static void on_round(struct timer *t)
{
	struct drain *d = container_of(t, struct drain, round);
	bool more;
	int n = store_batch(d, &more);

	if (n == -EUCLEAN) {
		set_aside(d);
		return;
	}
	if (n < 0) {
		fail(d, n);
		return;
	}
	if (n > 0) {
		recovered(d);
		d->opts.on_stored(d->opts.ctx);
	}
	if (more)
		schedule(d, 0);
	else if (n > 0)
		schedule(d, d->finishing ? 0 : d->opts.commit_ms * 1000ull);
	else if (!may_sleep(d))
		schedule(d, 0);
	else if (d->finishing)
		d->opts.on_finished(d->opts.ctx);
}

static void on_wake(struct io *io, int events)
{
	struct source *s = container_of(io, struct source, wake);
	uint64_t count;

	(void)events;
	(void)!read(io_fd(io), &count, sizeof(count));
	schedule(s->drain, s->drain->opts.commit_ms * 1000ull);
}

/* ---- what the recorder says ---- */

static struct source **place_of(struct drain *d, uint32_t worker)
{
	struct source **at = &d->sources;

	while (*at && (*at)->worker != worker)
		at = &(*at)->next;
	return at;
}

static void source_free(struct source *s)
{
	io_stop(&s->wake);
	(void)slab_free(s->slab);
	free(s);
}

int drain_add(struct drain *d, uint32_t worker, struct slab *slab)
{
	struct source **at = place_of(d, worker), *old = *at;
	struct source *s = calloc(1, sizeof(*s));

	if (!s) {
		(void)slab_free(slab);
		return -ENOMEM;
	}
	if (old) {
		*at = old->next;
		source_free(old);
	}
	*s = (struct source){ .drain = d, .next = d->sources, .worker = worker, .slab = slab };
	d->sources = s;
	if (slab_wake_fd(slab) >= 0)
		io_start(&s->wake, d->loop, slab_wake_fd(slab), IO_READ, on_wake);
	(void)slab_orphan(slab);
	schedule(d, 0);
	return 0;
}

void drain_orphan(struct drain *d, uint32_t worker)
{
	struct source *s = *place_of(d, worker);

	if (s && slab_orphan(s->slab))
		schedule(d, 0);
}

void drain_event(struct drain *d, const struct eg_note *n)
{
	d->events[(d->first_event + d->n_events) % EVENTS_MAX] = *n;
	if (d->n_events < EVENTS_MAX)
		d->n_events++;
	else
		d->first_event = (d->first_event + 1) % EVENTS_MAX;
	schedule(d, d->opts.commit_ms * 1000ull);
}

void drain_finish(struct drain *d)
{
	d->finishing = true;
	for (struct source *s = d->sources; s; s = s->next)
		(void)slab_orphan(s->slab);
	timer_stop(&d->round);
	schedule(d, 0);
}

int drain_new(struct loop *l, struct store *s, const struct drain_opts *o, struct drain **ret)
{
	struct drain *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->loop = l;
	d->store = s;
	d->opts = *o;
	d->events = calloc(EVENTS_MAX, sizeof(*d->events));
	if (!d->events) {
		free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

struct drain *drain_free(struct drain *d)
{
	if (!d)
		return NULL;
	timer_stop(&d->round);
	while (d->sources) {
		struct source *s = d->sources;

		d->sources = s->next;
		source_free(s);
	}
	free(d->events);
	free(d);
	return NULL;
}
