/* SPDX-License-Identifier: Apache-2.0 */
#include "event/resolver.h"

#include <assert.h>

#include "base/hash.h"

#define HOST_MAX       253u
#define TTL_MIN_S      5u
#define TTL_MAX_S      3600u
#define TTL_NEGATIVE_S 5u
#define CACHE_DEFAULT  1024u

/* IN_FLIGHT -> (answer) -> DONE -> (waiters told) -> KEPT -> (expired, asked again) -> IN_FLIGHT */
enum entry_state { ENTRY_IN_FLIGHT, ENTRY_DONE, ENTRY_KEPT };

struct resolver_wait {
	struct resolver_wait *next, **at; /* `at` points at what points here */
	resolver_fn fn;
	void *ctx;
};

struct entry {
	struct entry *next_hash;
	struct entry *newer, *older; /* by last use */
	struct entry *next_done;
	struct resolver *resolver;
	struct resolver_wait *waits;
	enum entry_state state;
	int error;
	uint64_t expires_us;
	struct eg_addr *addrs;
	size_t n;
	uint64_t hash;
	char host[];
};

struct resolver {
	struct loop *loop;
	struct dns *dns;
	size_t cache_max, buckets_mask;
	struct entry **buckets;
	struct entry *newest, *oldest;
	struct entry *done;
	struct resolver_stats stats;
};

static bool is_host(struct slice s)
{
	if (s.n == 0 || s.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.' || c == '_'))
			return false;
	}
	return s.p[0] != '.';
}

static void unlink_use(struct resolver *r, struct entry *e)
{
	*(e->newer ? &e->newer->older : &r->newest) = e->older;
	*(e->older ? &e->older->newer : &r->oldest) = e->newer;
}

static void link_newest(struct resolver *r, struct entry *e)
{
	e->newer = NULL;
	e->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = e;
	r->newest = e;
}

static void forget(struct resolver *r, struct entry *e)
{
	struct entry **at = &r->buckets[e->hash & r->buckets_mask];

	while (*at != e)
		at = &(*at)->next_hash;
	*at = e->next_hash;
	unlink_use(r, e);
	r->stats.entries--;
	free(e->addrs);
	free(e);
}

static struct entry *find(struct resolver *r, struct slice host, uint64_t hash)
{
	struct entry *e = r->buckets[hash & r->buckets_mask];

	while (e && (e->hash != hash || !slice_eq(slice_str(e->host), host)))
		e = e->next_hash;
	return e;
}

/* Makes room: the entry longest unused that nobody waits for. */
static bool evict(struct resolver *r)
{
	struct entry *e = r->oldest;

	while (e && e->state != ENTRY_KEPT)
		e = e->newer;
	if (!e)
		return false;
	forget(r, e);
	r->stats.evicted++;
	return true;
}

static int add(struct resolver *r, struct slice host, uint64_t hash, struct entry **ret)
{
	struct entry *e;

	if (r->stats.entries >= r->cache_max && !evict(r))
		return -EBUSY;
	e = calloc(1, sizeof(*e) + host.n + 1);
	if (!e)
		return -ENOMEM;
	e->resolver = r;
	e->hash = hash;
	e->state = ENTRY_KEPT;
	memcpy(e->host, host.p, host.n);
	e->next_hash = r->buckets[hash & r->buckets_mask];
	r->buckets[hash & r->buckets_mask] = e;
	link_newest(r, e);
	r->stats.entries++;
	*ret = e;
	return 0;
}

static uint32_t clamp_ttl(uint32_t ttl)
{
	return ttl < TTL_MIN_S ? TTL_MIN_S : ttl > TTL_MAX_S ? TTL_MAX_S : ttl;
}

static void on_answer(void *ctx, int error, const struct eg_addr *addrs, size_t n, uint32_t ttl_s)
{
	struct entry *e = ctx;
	struct resolver *r = e->resolver;

	free(e->addrs);
	e->addrs = NULL;
	e->n = 0;
	e->error = error;
	if (error == 0) {
		e->addrs = calloc(n, sizeof(*addrs));
		if (e->addrs)
			memcpy(e->addrs, addrs, n * sizeof(*addrs));
		else
			e->error = -ENOMEM;
		e->n = e->addrs ? n : 0;
	}
	e->expires_us =
		loop_now_us(r->loop) + 1000000ull * (e->error ? TTL_NEGATIVE_S : clamp_ttl(ttl_s));
	e->state = ENTRY_DONE;
	e->next_done = r->done;
	r->done = e;
}

static void unlink_wait(struct resolver_wait *w)
{
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
}

static void tell(struct resolver *r, const struct entry *e, resolver_fn fn, void *ctx)
{
	uint64_t now = loop_now_us(r->loop);
	uint32_t left = e->expires_us > now ? (uint32_t)((e->expires_us - now) / 1000000u) : 0;

	fn(ctx, e->error, e->addrs, e->n, e->error ? 0 : left ? left : 1);
}

/* A callback may ask again or cancel others; the entry stays DONE, so it is neither evicted nor
 * queried anew, until the last waiter was told. */
static void on_rest(void *ctx)
{
	struct resolver *r = ctx;

	while (r->done) {
		struct entry *e = r->done;

		r->done = e->next_done;
		while (e->waits) {
			struct resolver_wait *w = e->waits;
			resolver_fn fn = w->fn;
			void *fn_ctx = w->ctx;

			unlink_wait(w);
			free(w);
			tell(r, e, fn, fn_ctx);
		}
		e->state = ENTRY_KEPT;
	}
}

int resolver_new(struct loop *l, const struct resolver_opts *opts, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct dns_opts dns = { .servers = opts->servers,
				.n_servers = opts->n_servers,
				.timeout_ms = opts->timeout_ms,
				.tries = opts->tries,
				.on_rest = on_rest,
				.ctx = r };
	size_t buckets = 16;
	int error;

	if (!r)
		return -ENOMEM;
	r->loop = l;
	r->cache_max = opts->cache_max ? opts->cache_max : CACHE_DEFAULT;
	while (buckets < r->cache_max && buckets < 65536)
		buckets *= 2;
	r->buckets_mask = buckets - 1;
	r->buckets = calloc(buckets, sizeof(*r->buckets));
	error = r->buckets ? dns_new(l, &dns, &r->dns) : -ENOMEM;
	if (error < 0) {
		resolver_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

struct resolver *resolver_free(struct resolver *r)
{
	if (!r)
		return NULL;
	/* Answers what is in flight with -ECANCELED; who asks again now gets the same. */
	r->dns = dns_free(r->dns);
	on_rest(r);
	while (r->oldest)
		forget(r, r->oldest);
	free(r->buckets);
	free(r);
	return NULL;
}

int resolver_set_servers(struct resolver *r, const char *const *servers, size_t n)
{
	int error = dns_set_servers(r->dns, servers, n);

	if (error < 0)
		return error;
	for (struct entry *e = r->newest; e; e = e->older)
		if (e->state == ENTRY_KEPT)
			e->expires_us = 0;
	return 0;
}

static int find_or_add(struct resolver *r, struct slice host, struct entry **ret)
{
	char lower[HOST_MAX];
	struct entry *e;
	uint64_t hash;

	for (size_t i = 0; i < host.n; i++)
		lower[i] = ascii_lower(host.p[i]);
	host = slice_of(lower, host.n);
	hash = hash_bytes(HASH_SEED, host);
	e = find(r, host, hash);
	if (!e)
		return add(r, host, hash, ret);
	unlink_use(r, e);
	link_newest(r, e);
	*ret = e;
	return 0;
}

static bool is_fresh(const struct resolver *r, const struct entry *e)
{
	return e->state == ENTRY_DONE ||
	       (e->state == ENTRY_KEPT && e->expires_us > loop_now_us(r->loop));
}

/* A waiter on an entry that has no answer yet. */
static struct resolver_wait *await(struct entry *e, resolver_fn fn, void *ctx)
{
	struct resolver_wait *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct resolver_wait){ .next = e->waits, .at = &e->waits, .fn = fn, .ctx = ctx };
	if (w->next)
		w->next->at = &w->next;
	e->waits = w;
	return w;
}

struct resolver_wait *resolver_get(struct resolver *r, struct slice host, resolver_fn fn, void *ctx)
{
	struct resolver_wait *w;
	struct entry *e;
	int error;

	error = is_host(host) ? find_or_add(r, host, &e) : -EINVAL;
	if (error < 0) {
		fn(ctx, error, NULL, 0, 0);
		return NULL;
	}
	if (is_fresh(r, e)) {
		r->stats.hits++;
		tell(r, e, fn, ctx);
		return NULL;
	}
	w = r->dns ? await(e, fn, ctx) : NULL;
	if (!w) {
		fn(ctx, r->dns ? -ENOMEM : -ECANCELED, NULL, 0, 0);
		return NULL;
	}
	if (e->state == ENTRY_KEPT) {
		e->state = ENTRY_IN_FLIGHT;
		r->stats.queries++;
		dns_query(r->dns, e->host, on_answer, e);
	}
	return w;
}

void resolver_cancel(struct resolver_wait *w)
{
	unlink_wait(w);
	free(w);
}

void resolver_get_stats(const struct resolver *r, struct resolver_stats *ret)
{
	*ret = r->stats;
}
