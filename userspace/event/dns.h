/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS queries through c-ares on our loop: A and AAAA together, with their TTLs. Called by the
 * resolver only, which caches. Everything c-ares reads from files (resolv.conf, the random key) is
 * read by dns_new(); afterwards it needs UDP and TCP sockets and nothing else: no hosts file, no
 * search list, no aliases.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/abi.h"
#include "event/loop.h"

#define DNS_ADDRS_MAX 64u /* of one name; more are left out */

struct dns;

/* error: 0 (n > 0), -ENOENT (no such name, or it has no address), -ETIMEDOUT, -EAGAIN (servers
 * failed), -ECANCELED (dns_free), -ENOMEM. May run before dns_query() returns. It must not free
 * the dns, nor start another query. */
typedef void (*dns_fn)(void *ctx, int error, const struct eg_addr *addrs, size_t n, uint32_t ttl_s);
/* From the loop, after dns_fn ran, with c-ares at rest: the time to act on what it saw. */
typedef void (*dns_rest_fn)(void *ctx);

struct dns_opts {
	const char *const *servers; /* "addr[:port]", IPv6 with a port in brackets */
	size_t n_servers; /* 0: those of resolv.conf */
	unsigned timeout_ms; /* of the first try; default 2000 */
	unsigned tries; /* per server; default 2 */
	dns_rest_fn on_rest;
	void *ctx;
};

/* -EINVAL: a server that is no address. */
int dns_new(struct loop *l, const struct dns_opts *opts, struct dns **ret) _must_check_;
struct dns *dns_free(struct dns *d);
/* Asks other servers from now on ("addr[:port]"s, at least one), also what is in flight. Not from a
 * dns_fn. -EINVAL: a server that is no address; then there is none. */
int dns_set_servers(struct dns *d, const char *const *servers, size_t n) _must_check_;
/* fn runs exactly once. `name` needs to live during the call only. */
void dns_query(struct dns *d, const char *name, dns_fn fn, void *ctx);
