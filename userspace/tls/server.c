/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/server.h"

#include <assert.h>
#include <openssl/err.h>

#include "base/clock.h"
#include "base/hash.h"
#include "tls/context.h"
#include "tls/leaf.h"
#include "tls/tickets.h"

#define CACHE_DEFAULT	1024u
#define HOST_MAX	253u
#define S		UINT64_C(1000000) /* µs */
#define RENEW_BEFORE_US (600 * S) /* a new leaf is asked for this long before the end */
#define SERVE_BEFORE_US (60 * S) /* and the old one served until so long before */
#define FAILURE_US	(5 * S) /* a failure stands so long: the vault is not hammered */
#define MINT_TIMEOUT_US (10 * S)

struct tls_wait {
	struct tls_wait *next, **at; /* `at` points at what points here */
	tls_ready_fn fn;
	void *ctx;
};

/*
 * A name. Three independent facts: a context to serve (ssl_ctx, until expires_us), a question to
 * the vault under way (key), and a recent failure (failed_until_us). Waiters exist only while a
 * question is under way.
 */
struct entry {
	struct entry *next_hash;
	struct entry *newer, *older; /* by last use */
	struct tls_server *server;
	struct tls_wait *waits;
	SSL_CTX *ssl_ctx;
	uint64_t expires_us; /* wall clock, as the certificate says */
	EVP_PKEY *key; /* of the leaf that is being minted */
	struct timer timeout;
	uint64_t failed_until_us; /* monotonic */
	uint64_t hash;
	size_t host_n;
	char host[];
};

struct tls_server {
	struct loop *loop;
	tls_mint_fn mint;
	void *ctx;
	struct tls_tickets tickets;
	size_t n, cache_max, buckets_mask;
	struct entry **buckets;
	struct entry *newest, *oldest;
	bool asking; /* within opts.mint */
};

static struct slice host_of(const struct entry *e)
{
	return slice_of(e->host, e->host_n);
}

static void unlink_use(struct tls_server *s, struct entry *e)
{
	*(e->newer ? &e->newer->older : &s->newest) = e->older;
	*(e->older ? &e->older->newer : &s->oldest) = e->newer;
}

static void link_newest(struct tls_server *s, struct entry *e)
{
	e->newer = NULL;
	e->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = e;
	s->newest = e;
}

static struct entry *find(const struct tls_server *s, struct slice host, uint64_t hash)
{
	struct entry *e = s->buckets[hash & s->buckets_mask];

	while (e && (e->hash != hash || !slice_eq(host_of(e), host)))
		e = e->next_hash;
	return e;
}

static void forget(struct tls_server *s, struct entry *e)
{
	struct entry **at = &s->buckets[e->hash & s->buckets_mask];

	while (*at != e)
		at = &(*at)->next_hash;
	*at = e->next_hash;
	unlink_use(s, e);
	s->n--;
	timer_stop(&e->timeout);
	EVP_PKEY_free(e->key);
	SSL_CTX_free(e->ssl_ctx);
	free(e);
}

/* Makes room: the name longest unused that is not being minted. */
static bool evict(struct tls_server *s)
{
	struct entry *e = s->oldest;

	while (e && (e->key || e->waits))
		e = e->newer;
	if (!e)
		return false;
	forget(s, e);
	return true;
}

static struct entry *add(struct tls_server *s, struct slice host, uint64_t hash)
{
	struct entry *e;

	if (s->n >= s->cache_max && !evict(s))
		return NULL;
	e = calloc(1, sizeof(*e) + host.n);
	if (!e)
		return NULL;
	e->server = s;
	e->hash = hash;
	e->host_n = host.n;
	memcpy(e->host, host.p, host.n);
	e->next_hash = s->buckets[hash & s->buckets_mask];
	s->buckets[hash & s->buckets_mask] = e;
	link_newest(s, e);
	s->n++;
	return e;
}

static void unlink_wait(struct tls_wait *w)
{
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
}

/* The question has ended; whoever waits gets what there is now. A callback may do anything but free
 * the server, so the entry is not looked at again. */
static void tell(struct entry *e)
{
	struct tls_wait *waits = e->waits;
	SSL_CTX *ssl_ctx = e->ssl_ctx;

	e->waits = NULL;
	if (!waits)
		return;
	waits->at = &waits;
	if (ssl_ctx)
		(void)SSL_CTX_up_ref(ssl_ctx);
	while (waits) {
		struct tls_wait *w = waits;
		tls_ready_fn fn = w->fn;
		void *ctx = w->ctx;

		unlink_wait(w);
		free(w);
		fn(ctx, ssl_ctx);
	}
	SSL_CTX_free(ssl_ctx);
}

static void end_mint(struct entry *e)
{
	timer_stop(&e->timeout);
	EVP_PKEY_free(e->key);
	e->key = NULL;
}

static void drop_expired(struct entry *e)
{
	if (e->ssl_ctx && clock_wall_us() >= e->expires_us) {
		SSL_CTX_free(e->ssl_ctx);
		e->ssl_ctx = NULL;
	}
}

/* A context that still serves stays: the next request for it after FAILURE_US tries again. */
static void fail(struct entry *e)
{
	end_mint(e);
	e->failed_until_us = loop_now_us(e->server->loop) + FAILURE_US;
	drop_expired(e);
	tell(e);
}

static void on_timeout(struct timer *t)
{
	fail(container_of(t, struct entry, timeout));
}

/* Asks the vault; the answer comes through tls_server_minted(). */
static int ask(struct tls_server *s, struct entry *e)
{
	unsigned char *der = NULL;
	int n;

	n = tls_leaf_key(&e->key);
	if (n == 0)
		n = tls_leaf_spki(e->key, &der);
	if (n < 0) {
		end_mint(e);
		return n;
	}
	timer_start(&e->timeout, s->loop, MINT_TIMEOUT_US, on_timeout);
	s->asking = true;
	s->mint(s->ctx, host_of(e), slice_of(der, (size_t)n));
	s->asking = false;
	OPENSSL_free(der);
	return 0;
}

int tls_server_new(struct loop *l, const struct tls_server_opts *opts, struct tls_server **ret)
{
	struct tls_server *s;
	size_t buckets = 16;
	int r;

	/* Nothing may open a file later, least of all openssl.cnf inside a sandbox. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -ENOMEM;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->mint = opts->mint;
	s->ctx = opts->ctx;
	s->cache_max = opts->cache_max ? opts->cache_max : CACHE_DEFAULT;
	while (buckets < s->cache_max && buckets < 65536)
		buckets *= 2;
	s->buckets_mask = buckets - 1;
	s->buckets = calloc(buckets, sizeof(struct entry *));
	r = s->buckets ? tls_tickets_init(&s->tickets) : -ENOMEM;
	if (r < 0) {
		tls_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct tls_server *tls_server_free(struct tls_server *s)
{
	if (!s)
		return NULL;
	for (struct entry *e = s->oldest; e; e = s->oldest) {
		while (e->waits) {
			struct tls_wait *w = e->waits;

			unlink_wait(w);
			free(w);
		}
		forget(s, e);
	}
	tls_tickets_done(&s->tickets);
	free(s->buckets);
	free(s);
	return NULL;
}

static struct tls_wait *await(struct entry *e, tls_ready_fn fn, void *ctx)
{
	struct tls_wait *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct tls_wait){ .next = e->waits, .at = &e->waits, .fn = fn, .ctx = ctx };
	if (w->next)
		w->next->at = &w->next;
	e->waits = w;
	return w;
}

/* Whether a leaf should be asked for now: none is on its way, none failed just before, and what
 * there is ends soon. */
static bool wants_leaf(const struct tls_server *s, const struct entry *e, uint64_t wall_us)
{
	return !e->key && (!e->ssl_ctx || wall_us + RENEW_BEFORE_US >= e->expires_us) &&
	       loop_now_us(s->loop) >= e->failed_until_us;
}

static struct entry *find_or_add(struct tls_server *s, struct slice host)
{
	uint64_t hash = hash_bytes(HASH_SEED, host);
	struct entry *e = find(s, host, hash);

	if (!e)
		return add(s, host, hash);
	unlink_use(s, e);
	link_newest(s, e);
	return e;
}

struct tls_wait *tls_server_get(struct tls_server *s, struct slice host, tls_ready_fn fn, void *ctx)
{
	uint64_t wall_us = clock_wall_us();
	struct tls_wait *w = NULL;
	struct entry *e = NULL;

	assert(!s->asking);
	if (host.n > 0 && host.n <= HOST_MAX)
		e = find_or_add(s, host);
	if (!e) {
		fn(ctx, NULL);
		return NULL;
	}
	if (wants_leaf(s, e, wall_us) && ask(s, e) < 0)
		e->failed_until_us = loop_now_us(s->loop) + FAILURE_US;
	if (e->ssl_ctx && wall_us + SERVE_BEFORE_US < e->expires_us) {
		fn(ctx, e->ssl_ctx);
		return NULL;
	}
	if (e->key)
		w = await(e, fn, ctx);
	if (!w)
		fn(ctx, NULL);
	return w;
}

bool tls_server_has(const struct tls_server *s, struct slice host)
{
	return find(s, host, hash_bytes(HASH_SEED, host));
}

void tls_server_cancel(struct tls_wait *w)
{
	unlink_wait(w);
	free(w);
}

/* 0, or why this answer is of no use. */
static int take_chain(struct tls_server *s, struct entry *e, struct slice chain_pem)
{
	struct tls_chain chain;
	SSL_CTX *ctx = NULL;
	int r;

	r = tls_chain_parse(chain_pem, host_of(e), e->key, &chain);
	if (r < 0)
		return r;
	r = -EINVAL;
	if (clock_wall_us() + SERVE_BEFORE_US < chain.not_after_us)
		r = tls_context_new(host_of(e), &chain, e->key, &s->tickets, &ctx);
	if (r == 0) {
		SSL_CTX_free(e->ssl_ctx);
		e->ssl_ctx = ctx;
		e->expires_us = chain.not_after_us;
	}
	tls_chain_done(&chain);
	return r;
}

void tls_server_minted(struct tls_server *s, struct slice host, struct slice chain_pem)
{
	struct entry *e = find(s, host, hash_bytes(HASH_SEED, host));
	int r;

	assert(!s->asking);
	if (!e || !e->key)
		return; /* nobody waits any more */
	r = take_chain(s, e, chain_pem);
	if (r == -ESTALE)
		return; /* the answer to a question before a flush */
	if (r < 0) {
		fail(e);
		return;
	}
	end_mint(e);
	e->failed_until_us = 0;
	tell(e);
}

int tls_server_set_tickets(struct tls_server *s, const void *key80, const void *previous80)
{
	return tls_tickets_set(&s->tickets, key80, previous80);
}

/* A question under way was perhaps answered by the CA before: it is asked again with a new key, so
 * that the old answer does not fit. */
static void ask_again(struct tls_server *s, struct entry *e)
{
	end_mint(e);
	if (ask(s, e) < 0)
		timer_start(&e->timeout, s->loop, 0, on_timeout);
}

void tls_server_flush(struct tls_server *s)
{
	struct entry *older;

	for (struct entry *e = s->newest; e; e = older) {
		older = e->older;
		if (!e->key) {
			forget(s, e);
			continue;
		}
		SSL_CTX_free(e->ssl_ctx);
		e->ssl_ctx = NULL;
		ask_again(s, e);
	}
}
