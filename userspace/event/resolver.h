/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host names to addresses, cached: one query in flight a name however many wait, answers kept for
 * their TTL within [5 s, 1 h], failures for 5 s, the least recently asked name evicted when the
 * cache is full. Called by upstream. After resolver_new() it opens no file, so a worker may use it
 * inside its sandbox; it does need UDP and TCP sockets towards the servers.
 *
 * Callbacks come from the loop, or from within resolver_get() for a cached answer. They must not
 * free the resolver.
 */
#pragma once

#include "base/slice.h"
#include "event/dns.h"

struct resolver;
struct resolver_wait;

/* error as in dns_fn, -EINVAL (not a host name), -EBUSY (every cache entry is in flight). addrs
 * live during the call; ttl_s is what is left of the clamped TTL, never 0 for an answer. */
typedef void (*resolver_fn)(void *ctx, int error, const struct eg_addr *addrs, size_t n,
			    uint32_t ttl_s);

struct resolver_opts {
	const char *const *servers; /* as dns_opts */
	size_t n_servers;
	unsigned timeout_ms, tries;
	size_t cache_max; /* names; default 1024 */
};

int resolver_new(struct loop *l, const struct resolver_opts *opts,
		 struct resolver **ret) _must_check_;
/* Pending callbacks run with -ECANCELED. */
struct resolver *resolver_free(struct resolver *r);
/* Other servers, as dns_set_servers(). What was answered by those before is asked again when
 * somebody wants it. */
int resolver_set_servers(struct resolver *r, const char *const *servers, size_t n) _must_check_;
/* NULL when the callback has already run. */
struct resolver_wait *resolver_get(struct resolver *r, struct slice host, resolver_fn fn,
				   void *ctx);
/* The callback will not run. The query goes on, for the cache. */
void resolver_cancel(struct resolver_wait *w);

struct resolver_stats {
	uint64_t queries, hits, evicted;
	size_t entries;
};
void resolver_get_stats(const struct resolver *r, struct resolver_stats *ret);
