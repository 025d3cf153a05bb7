/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/lease.h"

#include "base/hash.h"
#include "event/channel.h"

#define BUCKETS	   64u
#define MAX	   128u /* each owns locked pages */
#define TIMEOUT_US 10000000u

struct lease_entry {
	char provider[EG_NAME_MAX], credential[EG_NAME_MAX], workload[EG_NAME_MAX];
	bool busy; /* being asked for, or given to who waits: not to be freed */
	struct leases *owner; /* NULL: no longer in the table; goes when not busy */
	struct lease *lease; /* NULL: being asked for */
	bool again; /* revoked, or of a vault before: what is on its way may be the old one */
	uint32_t generation;
	struct timer end;
	TAILQ_HEAD(, lease_wait) waits;
	TAILQ_ENTRY(lease_entry) age;
	LIST_ENTRY(lease_entry) bucket;
};

struct leases {
	struct loop *loop;
	struct channel *vault;
	lease_revoked_fn on_revoked;
	void *ctx;
	size_t n;
	TAILQ_HEAD(, lease_entry) by_age; /* least recently used first */
	LIST_HEAD(, lease_entry) buckets[BUCKETS];
};

static unsigned bucket_of(struct slice provider, struct slice credential)
{
	return (unsigned)(hash_bytes(hash_bytes(HASH_SEED, provider), credential) % BUCKETS);
}

static struct lease_entry *find(struct leases *l, const struct lease_want *want)
{
	struct lease_entry *e;

	LIST_FOREACH(e, &l->buckets[bucket_of(want->provider, want->credential)], bucket)
	{
		if (slice_eq(slice_str(e->provider), want->provider) &&
		    slice_eq(slice_str(e->credential), want->credential))
			return e;
	}
	return NULL;
}

static void destroy(struct lease_entry *e)
{
	e->lease = lease_unref(e->lease);
	free(e);
}

/* Out of the table; a question under way lives on until it is answered. */
static void forget(struct lease_entry *e)
{
	struct leases *l = e->owner;

	TAILQ_REMOVE(&l->by_age, e, age);
	LIST_REMOVE(e, bucket);
	timer_stop(&e->end);
	l->n--;
	e->owner = NULL;
	if (!e->busy)
		destroy(e);
}

static void on_end(struct timer *t)
{
	forget(container_of(t, struct lease_entry, end));
}

static void evict(struct leases *l)
{
	struct lease_entry *e;

	TAILQ_FOREACH(e, &l->by_age, age)
	{
		if (!e->busy) {
			forget(e);
			return;
		}
	}
}

static enum eg_reason read_reply(const struct msg *m, struct eg_leased *h, struct lease **ret)
{
	struct lease *lease;

	if (!m || m->type != EG_MSG_lease || m->body.n < sizeof(*h))
		return EG_REASON_credential_unavailable;
	memcpy(h, m->body.p, sizeof(*h));
	if (h->status == ENOENT)
		return EG_REASON_no_credential;
	if (h->status || h->n == 0 || h->n != m->body.n - sizeof(*h))
		return EG_REASON_credential_unavailable;
	lease = calloc(1, sizeof(*lease));
	if (!lease)
		return EG_REASON_credential_unavailable;
	lease->refs = 1;
	if (secret_new(h->n, &lease->key) < 0 ||
	    secret_append(&lease->key, m->body.p + sizeof(*h), h->n) < 0) {
		lease = lease_unref(lease);
		return EG_REASON_credential_unavailable;
	}
	*ret = lease;
	return EG_REASON_allowed;
}

static void on_reply(void *ctx, struct msg *m);

static int send_question(struct leases *l, struct lease_entry *e)
{
	struct eg_lease q = { 0 };

	(void)slice_copy(slice_str(e->provider), q.provider, sizeof(q.provider));
	(void)slice_copy(slice_str(e->credential), q.credential, sizeof(q.credential));
	(void)slice_copy(slice_str(e->workload), q.workload, sizeof(q.workload));
	e->again = false;
	return channel_call(l->vault, EG_MSG_lease, &q, sizeof(q), NULL, 0, NULL, 0, TIMEOUT_US,
			    on_reply, e);
}

/* A lease that was revoked while it was asked for: true when it is asked for once more. */
static bool ask_again(struct lease_entry *e)
{
	return e->again && e->owner && e->owner->vault && send_question(e->owner, e) == 0;
}

static void on_reply(void *ctx, struct msg *m)
{
	struct lease_entry *e = ctx;
	struct eg_leased h = { 0 };
	struct lease *lease = NULL;
	enum eg_reason reason = read_reply(m, &h, &lease);
	struct lease_wait *w;
	bool keep;

	if (e->again) {
		lease = lease_unref(lease);
		if (ask_again(e))
			return;
		reason = EG_REASON_credential_unavailable;
	}
	keep = e->owner && lease && h.ttl_ms;
	if (keep) {
		e->lease = lease_ref(lease);
		e->generation = h.generation;
		timer_start(&e->end, e->owner->loop, (uint64_t)h.ttl_ms * 1000, on_end);
	} else if (e->owner) {
		forget(e);
	}
	while ((w = TAILQ_FIRST(&e->waits))) {
		TAILQ_REMOVE(&e->waits, w, link);
		w->entry = NULL;
		w->fn(w->ctx, lease, reason);
	}
	lease = lease_unref(lease);
	e->busy = false;
	if (!e->owner)
		destroy(e);
}

static struct lease_entry *ask(struct leases *l, const struct lease_want *want)
{
	struct lease_entry *e;

	if (!l->vault || want->provider.n >= EG_NAME_MAX || want->credential.n >= EG_NAME_MAX)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->busy = true;
	TAILQ_INIT(&e->waits);
	(void)slice_copy(want->provider, e->provider, sizeof(e->provider));
	(void)slice_copy(want->credential, e->credential, sizeof(e->credential));
	(void)slice_copy(want->workload, e->workload, sizeof(e->workload));
	if (send_question(l, e) < 0) {
		free(e);
		return NULL;
	}
	if (l->n >= MAX)
		evict(l);
	e->owner = l;
	LIST_INSERT_HEAD(&l->buckets[bucket_of(want->provider, want->credential)], e, bucket);
	TAILQ_INSERT_TAIL(&l->by_age, e, age);
	l->n++;
	return e;
}

void lease_get(struct leases *l, const struct lease_want *want, struct lease_wait *w, lease_fn fn,
	       void *ctx)
{
	struct lease_entry *e = find(l, want);

	if (e && e->lease) {
		TAILQ_REMOVE(&l->by_age, e, age);
		TAILQ_INSERT_TAIL(&l->by_age, e, age);
		fn(ctx, e->lease, EG_REASON_allowed);
		return;
	}
	if (!e)
		e = ask(l, want);
	if (!e) {
		fn(ctx, NULL, EG_REASON_credential_unavailable);
		return;
	}
	*w = (struct lease_wait){ .entry = e, .fn = fn, .ctx = ctx };
	TAILQ_INSERT_TAIL(&e->waits, w, link);
}

void lease_cancel(struct lease_wait *w)
{
	if (!w->entry)
		return;
	TAILQ_REMOVE(&w->entry->waits, w, link);
	w->entry = NULL;
}

void lease_revoke(struct leases *l, uint32_t generation)
{
	struct lease_entry *e = TAILQ_FIRST(&l->by_age), *next;

	for (; e; e = next) {
		next = TAILQ_NEXT(e, age);
		if (e->lease && e->generation >= generation)
			continue;
		l->on_revoked(l->ctx, slice_str(e->credential));
		/* What is being asked for may have been read before the rotation. */
		if (e->lease)
			forget(e);
		else
			e->again = true;
	}
}

size_t lease_count(const struct leases *l)
{
	return l->n;
}

void lease_set_vault(struct leases *l, struct channel *vault)
{
	struct lease_entry *e;

	l->vault = vault;
	if (!vault)
		return;
	/* It counts from the beginning: what others gave is older than anything it revokes. */
	TAILQ_FOREACH(e, &l->by_age, age)
	{
		e->generation = 0;
		e->again = !e->lease;
	}
}

int lease_new(struct loop *loop, lease_revoked_fn on_revoked, void *ctx, struct leases **ret)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->on_revoked = on_revoked;
	l->ctx = ctx;
	TAILQ_INIT(&l->by_age);
	*ret = l;
	return 0;
}

struct leases *lease_free(struct leases *l)
{
	struct lease_entry *e;

	if (!l)
		return NULL;
	while ((e = TAILQ_FIRST(&l->by_age)))
		forget(e);
	free(l);
	return NULL;
}

struct lease *lease_ref(struct lease *lease)
{
	if (lease)
		lease->refs++;
	return lease;
}

struct lease *lease_unref(struct lease *lease)
{
	if (lease && --lease->refs == 0) {
		secret_free(&lease->key);
		free(lease);
	}
	return NULL;
}
