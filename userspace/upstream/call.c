/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pending upstream_get(): resolve, dial, shake hands, within one time limit. A failure is told
 * from the loop, never from within the call that met it, so nobody is called back while still
 * holding something half done.
 */
#include <stdio.h>

#include "upstream/dial.h"
#include "upstream/handshake.h"
#include "upstream/state.h"

#define FIRST4_US (600u * UINT64_C(1000000))

/* RESOLVING -> DIALLING -> SHAKING -> (success: the call is gone); each -> FAILED -> (told, gone).
 * SHAKING -> DIALLING when the trust bundle changed meanwhile. */
enum stage { RESOLVING, DIALLING, SHAKING, FAILED };

struct upstream_call {
	struct upstream_call *next, **at; /* `at` points at what points here */
	struct upstream *upstream;
	struct upstream_key *key;
	upstream_fn fn;
	void *ctx;
	enum stage stage;
	struct timer timer; /* the time limit; FAILED: the way back to the loop */
	struct resolver_wait *wait; /* RESOLVING */
	struct dial dial; /* DIALLING */
	struct conn *conn; /* SHAKING */
	enum eg_reason reason; /* FAILED */
	char detail[UPSTREAM_DETAIL];
};

static void stop(struct upstream_call *call)
{
	timer_stop(&call->timer);
	if (call->wait)
		resolver_cancel(TAKE_PTR(call->wait));
	dial_stop(&call->dial);
	conn_free(TAKE_PTR(call->conn));
}

void upstream_call_free(struct upstream_call *call)
{
	stop(call);
	*call->at = call->next;
	if (call->next)
		call->next->at = call->at;
	upstream_key_unref(call->key);
	free(call);
}

static void on_tell(struct timer *t)
{
	struct upstream_call *call = container_of(t, struct upstream_call, timer);
	struct upstream *u = call->upstream;
	char detail[UPSTREAM_DETAIL];
	enum eg_reason reason = call->reason;
	upstream_fn fn = call->fn;
	void *ctx = call->ctx;

	memcpy(detail, call->detail, sizeof(detail));
	upstream_call_free(call);
	u->stats.failed++;
	fn(ctx, NULL, reason, detail);
}

static void fail(struct upstream_call *call, enum eg_reason reason, const char *fmt, ...)
	_printf_(3, 4);

static void fail(struct upstream_call *call, enum eg_reason reason, const char *fmt, ...)
{
	va_list ap;

	stop(call);
	call->stage = FAILED;
	call->reason = reason;
	va_start(ap, fmt);
	(void)vsnprintf(call->detail, sizeof(call->detail), fmt, ap);
	va_end(ap);
	timer_start(&call->timer, call->upstream->loop, 0, on_tell);
}

static void on_timeout(struct timer *t)
{
	struct upstream_call *call = container_of(t, struct upstream_call, timer);
	unsigned long ms = (unsigned long)(call->upstream->connect_timeout_us / 1000);
	const char *host = call->key->text;

	if (call->stage == RESOLVING)
		fail(call, EG_REASON_upstream_unresolved, "%s: no DNS answer within %lu ms", host,
		     ms);
	else if (call->stage == DIALLING && call->dial.wait.shelf)
		fail(call, EG_REASON_upstream_unreachable,
		     "%s: the monitor gave no socket within %lu ms", host, ms);
	else
		fail(call, EG_REASON_upstream_timeout, "%s: no %s within %lu ms", host,
		     call->stage == DIALLING ? "TCP connection" : "TLS handshake", ms);
}

/* Keys are retired when trust or the credential changes; a connection made from now on belongs to
 * the key's successor. */
static int renew_key(struct upstream_call *call)
{
	struct upstream_target to = upstream_key_target(call->key);
	struct upstream_key *key;
	int r;

	if (!call->key->retired)
		return 0;
	r = upstream_key_get(&call->upstream->keys, &to, &key);
	if (r < 0)
		return r;
	upstream_key_unref(call->key);
	call->key = key;
	return 0;
}

static void on_handshake(struct conn *c, enum eg_reason reason, const char *detail)
{
	struct upstream_call *call = c->pub.owner;
	struct upstream *u = call->upstream;
	upstream_fn fn = call->fn;
	void *ctx = call->ctx;

	if (SSL_get_SSL_CTX(c->pub.ssl) != u->trust) {
		conn_free(TAKE_PTR(call->conn));
		call->stage = DIALLING;
		dial_start(&call->dial);
		return;
	}
	if (reason != EG_REASON_allowed) {
		fail(call, reason, "%s", detail);
		return;
	}
	c = TAKE_PTR(call->conn);
	c->pub.owner = NULL;
	c->pub.since_us = loop_now_us(u->loop);
	upstream_call_free(call);
	u->stats.opened++;
	fn(ctx, &c->pub, EG_REASON_allowed, NULL);
}

/* IPv4 won though IPv6 was tried before it: IPv6 may be silently broken here. */
static void learn_family(struct upstream_call *call)
{
	struct upstream *u = call->upstream;

	if (call->dial.family == AF_INET6)
		u->first4_until_us = 0;
	else if (!address_is4(&call->dial.addrs[0]))
		u->first4_until_us = loop_now_us(u->loop) + FIRST4_US;
}

static void on_dialled(struct dial *d, int fd)
{
	struct upstream_call *call = container_of(d, struct upstream_call, dial);

	if (fd < 0) {
		fail(call, EG_REASON_upstream_unreachable, "%s port %u: %s", call->key->text,
		     call->key->port,
		     fd == -ENOBUFS ? "the monitor gave no socket" : strerror(-fd));
		return;
	}
	learn_family(call);
	call->stage = SHAKING;
	if (renew_key(call) < 0) {
		(void)close(fd);
		fail(call, EG_REASON_overloaded, "out of memory for a connection");
		return;
	}
	call->conn = conn_new(call->upstream, fd, call->key);
	if (!call->conn) {
		fail(call, EG_REASON_overloaded, "out of memory for a connection");
		return;
	}
	call->conn->pub.owner = call;
	if (handshake_start(call->conn, on_handshake) < 0)
		fail(call, EG_REASON_overloaded, "out of memory for a connection");
}

static const char *dns_words(int error)
{
	switch (error) {
	case -ENOENT:
		return "DNS knows no such name, or no address of it";
	case -ETIMEDOUT:
		return "the DNS servers did not answer in time";
	case -EAGAIN:
		return "the DNS servers failed";
	case -EINVAL:
		return "this is not a host name";
	default:
		return strerror(-error);
	}
}

/* Keeps the addresses that may be dialled; tells the first that may not. */
static size_t permitted(const struct upstream *u, const struct eg_addr *addrs, size_t n,
			struct eg_addr *ret, struct eg_addr *ret_refused)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (address_may_dial(&u->addresses, &addrs[i]))
			ret[kept++] = addrs[i];
		else
			*ret_refused = addrs[i];
	}
	return kept;
}

static void on_resolved(void *ctx, int error, const struct eg_addr *addrs, size_t n, uint32_t ttl_s)
{
	struct upstream_call *call = ctx;
	struct upstream *u = call->upstream;
	struct eg_addr kept[DNS_ADDRS_MAX], refused = { .a = { 0 } };
	bool first4 = loop_now_us(u->loop) < u->first4_until_us;
	char text[INET6_ADDRSTRLEN];

	(void)ttl_s;
	call->wait = NULL;
	if (error < 0) {
		fail(call, EG_REASON_upstream_unresolved, "%s: %s", call->key->text,
		     dns_words(error));
		return;
	}
	n = permitted(u, addrs, n < DNS_ADDRS_MAX ? n : DNS_ADDRS_MAX, kept, &refused);
	if (n == 0) {
		fail(call, EG_REASON_upstream_refused_address,
		     "%s resolves to %s, a private or special-use address; if that is right, add "
		     "it "
		     "to upstream.allow",
		     call->key->text, address_format(&refused, text));
		return;
	}
	call->stage = DIALLING;
	call->dial.port = call->key->port;
	call->dial.n = address_order(kept, n, first4, call->dial.addrs, DIAL_ADDRS);
	dial_start(&call->dial);
}

static void start(struct upstream_call *call)
{
	struct upstream *u = call->upstream;
	struct slice host = upstream_key_target(call->key).host;
	struct resolver_wait *wait;

	if (!u->trust) {
		fail(call, EG_REASON_upstream_untrusted, "no trust bundle was loaded");
		return;
	}
	if (handshake_is_literal(host)) {
		fail(call, EG_REASON_upstream_untrusted,
		     "%s is an address; only a name can be verified", call->key->text);
		return;
	}
	timer_start(&call->timer, u->loop, u->connect_timeout_us, on_timeout);
	wait = resolver_get(u->resolver, host, on_resolved, call);
	if (wait)
		call->wait = wait;
}

struct upstream_call *upstream_call_new(struct upstream *u, const struct upstream_target *to,
					upstream_fn fn, void *ctx)
{
	struct upstream_call *call = calloc(1, sizeof(*call));

	if (!call || upstream_key_get(&u->keys, to, &call->key) < 0) {
		free(call);
		u->stats.failed++;
		fn(ctx, NULL, EG_REASON_overloaded, "too many upstream connections under way");
		return NULL;
	}
	call->upstream = u;
	call->fn = fn;
	call->ctx = ctx;
	call->next = u->calls;
	call->at = &u->calls;
	if (call->next)
		call->next->at = &call->next;
	u->calls = call;
	dial_init(&call->dial, u->loop, &u->stock, on_dialled);
	start(call);
	return call;
}
