/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/attest.h"

#include "base/hash.h"
#include "event/channel.h"

#define BUCKETS	   1024u
#define TIMEOUT_US 10000000u /* an executable may have to be hashed first */

/* Without padding: compared as bytes. */
struct key {
	uint64_t cgroup, sk_cgroup, start_ns, exe_ino;
	uint32_t exe_dev, exe_gen, tgid, uid, gid, differs;
};

/* A kept answer, or a question under way (who is NULL). */
struct attest_entry {
	struct key key;
	bool busy; /* being asked for, or given to who waits: not to be freed */
	struct attest *owner; /* NULL: no longer in the table; goes when not busy */
	struct attested *who;
	TAILQ_HEAD(, attest_wait) waits;
	TAILQ_ENTRY(attest_entry) age;
	LIST_ENTRY(attest_entry) bucket;
};

struct attest {
	struct channel *monitor;
	size_t n, max;
	uint32_t generation; /* of answers that are kept */
	TAILQ_HEAD(, attest_entry) by_age; /* least recently used first */
	LIST_HEAD(, attest_entry) buckets[BUCKETS];
};

static struct key key_of(const struct eg_flow *f)
{
	return (struct key){ .cgroup = f->cgroup,
			     .sk_cgroup = f->sk_cgroup,
			     .start_ns = f->start_ns,
			     .exe_ino = f->exe_ino,
			     .exe_dev = f->exe_dev,
			     .exe_gen = f->exe_gen,
			     .tgid = f->tgid,
			     .uid = f->uid,
			     .gid = f->gid,
			     .differs = f->flags & EG_FLOW_CGROUP_DIFFERS };
}

static unsigned bucket_of(const struct key *k)
{
	return (unsigned)(hash_bytes(HASH_SEED, slice_of(k, sizeof(*k))) % BUCKETS);
}

static struct attest_entry *find(struct attest *a, const struct key *k)
{
	struct attest_entry *e;

	LIST_FOREACH(e, &a->buckets[bucket_of(k)], bucket)
	{
		if (memcmp(&e->key, k, sizeof(*k)) == 0)
			return e;
	}
	return NULL;
}

static void destroy(struct attest_entry *e)
{
	e->who = attest_unref(e->who);
	free(e);
}

/* Out of the table; a question under way lives on until it is answered. */
static void forget(struct attest_entry *e)
{
	struct attest *a = e->owner;

	TAILQ_REMOVE(&a->by_age, e, age);
	LIST_REMOVE(e, bucket);
	a->n--;
	e->owner = NULL;
	if (!e->busy)
		destroy(e);
}

static void evict(struct attest *a)
{
	struct attest_entry *e;

	TAILQ_FOREACH(e, &a->by_age, age)
	{
		if (!e->busy) {
			forget(e);
			return;
		}
	}
}

static struct attested *read_reply(const struct msg *m)
{
	struct attested *who;

	if (!m || m->type != EG_MSG_attest || m->body.n != sizeof(who->who))
		return NULL;
	who = calloc(1, sizeof(*who));
	if (!who)
		return NULL;
	memcpy(&who->who, m->body.p, sizeof(who->who));
	who->who.name[sizeof(who->who.name) - 1] = '\0';
	who->who.exe[sizeof(who->who.exe) - 1] = '\0';
	who->who.cgroup_path[sizeof(who->who.cgroup_path) - 1] = '\0';
	who->who.container[sizeof(who->who.container) - 1] = '\0';
	who->refs = 1;
	return who;
}

static void on_reply(void *ctx, struct msg *m)
{
	struct attest_entry *e = ctx;
	struct attested *who = read_reply(m);
	/* An answer born of trouble is given, but not kept. */
	bool keep = e->owner && who && who->who.generation == e->owner->generation &&
		    who->who.reason != EG_REASON_identity_unavailable && !who->who.passing;
	struct attest_wait *w;

	if (keep)
		e->who = attest_ref(who);
	else if (e->owner)
		forget(e);
	while ((w = TAILQ_FIRST(&e->waits))) {
		TAILQ_REMOVE(&e->waits, w, link);
		w->entry = NULL;
		w->fn(w->ctx, who);
	}
	who = attest_unref(who);
	e->busy = false;
	if (!e->owner)
		destroy(e);
}

static struct attest_entry *ask(struct attest *a, const struct eg_flow *flow)
{
	struct attest_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->key = key_of(flow);
	e->busy = true;
	TAILQ_INIT(&e->waits);
	if (channel_call(a->monitor, EG_MSG_attest, flow, sizeof(*flow), NULL, 0, NULL, 0,
			 TIMEOUT_US, on_reply, e) < 0) {
		free(e);
		return NULL;
	}
	if (a->n >= a->max)
		evict(a);
	e->owner = a;
	LIST_INSERT_HEAD(&a->buckets[bucket_of(&e->key)], e, bucket);
	TAILQ_INSERT_TAIL(&a->by_age, e, age);
	a->n++;
	return e;
}

void attest_get(struct attest *a, const struct eg_flow *flow, struct attest_wait *w, attest_fn fn,
		void *ctx)
{
	struct key k = key_of(flow);
	struct attest_entry *e = find(a, &k);

	if (e && e->who) {
		TAILQ_REMOVE(&a->by_age, e, age);
		TAILQ_INSERT_TAIL(&a->by_age, e, age);
		fn(ctx, e->who);
		return;
	}
	if (!e)
		e = ask(a, flow);
	if (!e) {
		fn(ctx, NULL);
		return;
	}
	*w = (struct attest_wait){ .entry = e, .fn = fn, .ctx = ctx };
	TAILQ_INSERT_TAIL(&e->waits, w, link);
}

void attest_cancel(struct attest_wait *w)
{
	if (!w->entry)
		return;
	TAILQ_REMOVE(&w->entry->waits, w, link);
	w->entry = NULL;
}

void attest_flush(struct attest *a, uint32_t generation)
{
	struct attest_entry *e;

	a->generation = generation;
	while ((e = TAILQ_FIRST(&a->by_age)))
		forget(e);
}

size_t attest_count(const struct attest *a)
{
	return a->n;
}

int attest_new(struct channel *monitor, size_t max, struct attest **ret)
{
	struct attest *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->monitor = monitor;
	a->max = max ? max : ATTEST_MAX_DEFAULT;
	TAILQ_INIT(&a->by_age);
	*ret = a;
	return 0;
}

struct attest *attest_free(struct attest *a)
{
	if (!a)
		return NULL;
	attest_flush(a, 0);
	free(a);
	return NULL;
}

struct attested *attest_ref(struct attested *who)
{
	if (who)
		who->refs++;
	return who;
}

struct attested *attest_unref(struct attested *who)
{
	if (who && --who->refs == 0)
		free(who);
	return NULL;
}
