/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to providers: resolved with TTL, tried in happy-eyeballs order (RFC 8305), TLS with
 * the name verified against the trust bundle, kept for reuse. Keyed by provider, host, port,
 * credential and TLS policy: a connection that carried one credential never carries another.
 * Addresses in private, loopback, link-local, metadata and other special-use ranges are refused
 * unless configured. Sockets come from the monitor, stamped (stock.h).
 *
 * Opens no file after upstream_new(). OpenSSL writes with write(2): ignore SIGPIPE. Never logs.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/slice.h"
#include "egret/abi.h"
#include "egret/reasons.h"
#include "event/loop.h"
#include "upstream/stock.h"

struct upstream; /* one a worker */
struct upstream_call; /* one pending upstream_get() */

/* An established connection, TLS done, owned by the caller until put back or closed. The caller
 * drives io and ssl itself (non-blocking) and must leave no bytes unread when putting it back.
 * OpenSSL reads ahead: after SSL_read() bytes may wait in the SSL though the socket is not
 * readable; ask SSL_has_pending(). */
struct upstream_conn {
	int fd;
	SSL *ssl;
	/* Registered for fd and stopped: set on_ready and call io_want(). io_start() works too, but
	 * costs an epoll_ctl(2) each time. Put it back as it is. */
	struct io io;
	void *owner; /* likewise */
	bool reused; /* came from the pool: a request on it may be retried if nothing came back */
	uint64_t since_us; /* when it was established */
	struct upstream_key *key; /* private */
};

struct upstream_target {
	unsigned provider;
	struct slice host; /* lower-case name; also SNI and the name verified */
	uint16_t port;
	struct slice credential; /* id */
};

/* conn is NULL and reason says why on failure; detail (static or during the call) for the log. */
typedef void (*upstream_fn)(void *ctx, struct upstream_conn *conn, enum eg_reason reason,
			    const char *detail);
struct upstream_opts {
	uint64_t
		connect_timeout_us; /* for the whole of resolve, connect, handshake; default 10 s */
	uint64_t idle_us; /* how long an idle connection is kept; default 60 s */
	unsigned idle_max; /* idle connections a worker keeps in all; default 256 */
	const char *const *allow; /* CIDRs that may be dialled though special-use */
	size_t n_allow;
	const char *const *servers; /* DNS servers "addr[:port]"; none: those of resolv.conf */
	size_t n_servers;
	stock_need_fn on_need_sockets; /* answered through upstream_give_sockets() */
	void *ctx;
};

/* Reads resolv.conf now, so call it before the sandbox. -EINVAL: an `allow` that is no CIDR, a
 * server that is no address. */
int upstream_new(struct loop *l, const struct upstream_opts *opts,
		 struct upstream **ret) _must_check_;
/* Pending calls and resolutions end without their callback. Connections handed out must be put back
 * or closed before. */
struct upstream *upstream_free(struct upstream *u);
/* PEM certificates that providers' chains must end in; replaces those before. Connections made
 * under those before are not used again. 0, -EINVAL (the old ones stay), -ENOMEM. */
int upstream_set_trust(struct upstream *u, struct slice pem) _must_check_;
/* Name servers in place of those before, as resolver_set_servers(). */
int upstream_set_servers(struct upstream *u, const char *const *servers, size_t n) _must_check_;
/* Takes the fds; n = 0 means none can be had (pending connects fail). May be called from within
 * on_need_sockets. */
void upstream_give_sockets(struct upstream *u, int family, const int *fds, unsigned n);

/* One stamped socket of the stock for a connection of the caller's own; fn runs once, perhaps
 * before this returns. Given up by stock_cancel(). */
void upstream_await_socket(struct upstream *u, int family, struct stock_wait *w, stock_fn fn);

/* From the pool at once (calling back before returning, NULL), or made: called back later, from the
 * loop. fresh: never from the pool. */
struct upstream_call *upstream_get(struct upstream *u, const struct upstream_target *t, bool fresh,
				   upstream_fn fn, void *ctx);
void upstream_cancel(struct upstream_call *call);
void upstream_put(struct upstream *u, struct upstream_conn *c); /* clean: may be reused */
void upstream_close(struct upstream *u, struct upstream_conn *c); /* anything else */
/* Closes idle connections that carried a credential (it was rotated). */
void upstream_drop_credential(struct upstream *u, struct slice credential);

/* Whether a connection to the address may be made: see address.h. */
bool upstream_may_dial(const struct upstream *u, const struct eg_addr *a);
/* Resolves a governed name for the endpoint map, through the same cache. Called back once, perhaps
 * before returning; n = 0: it has no address that may be dialled. */
typedef void (*upstream_resolved_fn)(void *ctx, struct slice host, const struct eg_addr *addrs,
				     size_t n, uint32_t ttl_s);
void upstream_resolve(struct upstream *u, struct slice host, upstream_resolved_fn fn, void *ctx);
struct upstream_stats {
	uint64_t opened, reused, failed, idle;
};
void upstream_get_stats(const struct upstream *u, struct upstream_stats *ret);
