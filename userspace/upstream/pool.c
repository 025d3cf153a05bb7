/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/pool.h"

#include <openssl/err.h>

#include "upstream/handshake.h"
#include "upstream/state.h"
#include "upstream/trust.h"

#define S		   UINT64_C(1000000) /* µs */
#define CONNECT_TIMEOUT_US (10 * S)
#define IDLE_US		   (60 * S)
#define IDLE_MAX	   256u
#define AGE_MAX_US	   (3600 * S) /* so that DNS and certificates are looked at again */

/* One upstream_resolve() under way. */
struct resolving {
	struct resolving *next, **at; /* `at` points at what points here */
	struct upstream *upstream;
	struct resolver_wait *wait;
	upstream_resolved_fn fn;
	void *ctx;
	size_t host_n;
	char host[];
};

int upstream_new(struct loop *l, const struct upstream_opts *opts, struct upstream **ret)
{
	struct resolver_opts resolver = { .servers = opts->servers, .n_servers = opts->n_servers };
	struct upstream *u;
	int r;

	/* Nothing may open a file later, least of all openssl.cnf inside a sandbox. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -ENOMEM;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->loop = l;
	u->connect_timeout_us =
		opts->connect_timeout_us ? opts->connect_timeout_us : CONNECT_TIMEOUT_US;
	u->idle_us = opts->idle_us ? opts->idle_us : IDLE_US;
	u->idle_max = opts->idle_max ? opts->idle_max : IDLE_MAX;
	stock_init(&u->stock, l, opts->on_need_sockets, opts->ctx);
	r = address_policy_init(&u->addresses, opts->allow, opts->n_allow);
	if (r == 0)
		r = resolver_new(l, &resolver, &u->resolver);
	if (r < 0) {
		upstream_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

static void resolving_free(struct resolving *r)
{
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	if (r->wait)
		resolver_cancel(r->wait);
	free(r);
}

struct upstream *upstream_free(struct upstream *u)
{
	if (!u)
		return NULL;
	while (u->calls)
		upstream_call_free(u->calls);
	while (u->resolving)
		resolving_free(u->resolving);
	idle_close(u, NULL);
	timer_stop(&u->sweep);
	upstream_keys_retire(&u->keys, NULL);
	stock_done(&u->stock);
	resolver_free(u->resolver);
	address_policy_done(&u->addresses);
	SSL_CTX_free(u->trust);
	free(u);
	return NULL;
}

int upstream_set_trust(struct upstream *u, struct slice pem)
{
	SSL_CTX *trust;
	int r = upstream_trust_new(pem, handshake_on_session, &trust);

	if (r < 0)
		return r;
	SSL_CTX_free(u->trust);
	u->trust = trust;
	idle_close(u, NULL);
	upstream_keys_retire(&u->keys, NULL);
	return 0;
}

int upstream_set_servers(struct upstream *u, const char *const *servers, size_t n)
{
	return resolver_set_servers(u->resolver, servers, n);
}

void upstream_drop_credential(struct upstream *u, struct slice credential)
{
	idle_close(u, &credential);
	upstream_keys_retire(&u->keys, &credential);
}

void upstream_give_sockets(struct upstream *u, int family, const int *fds, unsigned n)
{
	stock_give(&u->stock, family, fds, n);
}

void upstream_await_socket(struct upstream *u, int family, struct stock_wait *w, stock_fn fn)
{
	int fd = stock_take(&u->stock, family);

	if (fd >= 0)
		fn(w, fd);
	else
		stock_await(&u->stock, family, w, fn);
}

struct upstream_call *upstream_get(struct upstream *u, const struct upstream_target *t, bool fresh,
				   upstream_fn fn, void *ctx)
{
	struct upstream_key *key = fresh ? NULL : upstream_key_find(&u->keys, t);
	struct conn *c = key ? idle_take(key) : NULL;

	if (!c)
		return upstream_call_new(u, t, fn, ctx);
	c->pub.reused = true;
	u->stats.reused++;
	fn(ctx, &c->pub, EG_REASON_allowed, NULL);
	return NULL;
}

void upstream_cancel(struct upstream_call *call)
{
	upstream_call_free(call);
}

void upstream_put(struct upstream *u, struct upstream_conn *pub)
{
	uint64_t now = loop_now_us(u->loop);

	if (pub->key->retired || now - pub->since_us > AGE_MAX_US || SSL_get_shutdown(pub->ssl))
		upstream_close(u, pub);
	else
		idle_put(conn_of(pub), now);
}

void upstream_close(struct upstream *u, struct upstream_conn *c)
{
	(void)u;
	conn_free(conn_of(c));
}

bool upstream_may_dial(const struct upstream *u, const struct eg_addr *a)
{
	return address_may_dial(&u->addresses, a);
}

static void on_resolved(void *ctx, int error, const struct eg_addr *addrs, size_t n, uint32_t ttl_s)
{
	struct resolving *r = ctx;
	struct upstream *u = r->upstream;
	struct eg_addr kept[DNS_ADDRS_MAX];
	size_t n_kept = 0;

	r->wait = NULL;
	for (size_t i = 0; error == 0 && i < n && i < DNS_ADDRS_MAX; i++)
		if (address_may_dial(&u->addresses, &addrs[i]))
			kept[n_kept++] = addrs[i];
	r->fn(r->ctx, slice_of(r->host, r->host_n), kept, n_kept, n_kept ? ttl_s : 0);
	resolving_free(r);
}

void upstream_resolve(struct upstream *u, struct slice host, upstream_resolved_fn fn, void *ctx)
{
	struct resolving *r = calloc(1, sizeof(*r) + host.n);
	struct resolver_wait *wait;

	if (!r) {
		fn(ctx, host, NULL, 0, 0);
		return;
	}
	*r = (struct resolving){ .next = u->resolving,
				 .at = &u->resolving,
				 .upstream = u,
				 .fn = fn,
				 .ctx = ctx,
				 .host_n = host.n };
	memcpy(r->host, host.p, host.n);
	if (r->next)
		r->next->at = &r->next;
	u->resolving = r;
	wait = resolver_get(u->resolver, slice_of(r->host, r->host_n), on_resolved, r);
	if (wait)
		r->wait = wait; /* else r is gone */
}

void upstream_get_stats(const struct upstream *u, struct upstream_stats *ret)
{
	*ret = u->stats;
}
