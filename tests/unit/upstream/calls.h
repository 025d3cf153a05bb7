/* SPDX-License-Identifier: Apache-2.0 */
/* An upstream with its own DNS server and sockets, and the calls a test makes to it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <netinet/tcp.h>
#include <stdbool.h>

#include "tests/unit/event/dns_server.h"
#include "tests/unit/upstream/provider.h"
#include "upstream/pool.h"

#define CALLS_LIMIT_US 10000000u /* no test waits longer for anything */

enum calls_sockets { SOCKETS_AT_ONCE, SOCKETS_LATER, SOCKETS_NONE, SOCKETS_NEVER };

struct calls {
	struct loop *loop;
	struct upstream *upstream;
	struct dns_server dns;
	struct test_ca ca;
	enum calls_sockets sockets;
	struct timer give; /* SOCKETS_LATER */
	unsigned wanted[2]; /* AF_INET, AF_INET6 */
	struct timer limit;
	unsigned open_fds; /* at the beginning */
};

static const struct dns_name calls_names[] = {
	{ .name = "api.test", .a = { "127.0.0.1" }, .ttl = 60 },
	{ .name = "other.test", .a = { "127.0.0.1" }, .ttl = 60 },
	{ .name = "foo.wild.test", .a = { "127.0.0.1" }, .ttl = 60 },
	{ .name = "dual.test", .a = { "127.0.0.1" }, .aaaa = { "::1" }, .ttl = 60 },
	{ .name = "private.test", .a = { "10.1.2.3" }, .aaaa = { "fd00:ec2::254" }, .ttl = 60 },
	{ .name = "mixed.test", .a = { "192.168.1.1", "127.0.0.1" }, .ttl = 60 },
	{ .name = "embedded.test", .aaaa = { "64:ff9b::169.254.169.254" }, .ttl = 60 },
	{ .name = "nowhere.test", .a = { "127.0.0.1" }, .aaaa = { "100::1" }, .ttl = 60 },
	{ .name = "deaf.test", .aaaa = { "::1" }, .ttl = 60 },
	{ .name = "gone.test", .behaviour = DNS_NXDOMAIN },
	{ .name = "silent.test", .behaviour = DNS_SILENT },
	{ .name = NULL },
};

static inline unsigned calls_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void calls_give(struct calls *f, int family, unsigned n)
{
	int fds[16];

	for (unsigned i = 0; i < n; i++)
		fds[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	upstream_give_sockets(f->upstream, family, fds, n);
}

static inline void calls_on_give(struct timer *t)
{
	struct calls *f = container_of(t, struct calls, give);

	for (unsigned i = 0; i < 2; i++) {
		unsigned n = f->wanted[i];

		f->wanted[i] = 0;
		if (n)
			calls_give(f, i ? AF_INET6 : AF_INET, n);
	}
}

static inline void calls_on_need(void *ctx, int family, unsigned count)
{
	struct calls *f = ctx;

	f->wanted[family == AF_INET6] = count;
	if (f->sockets == SOCKETS_AT_ONCE)
		calls_on_give(&f->give);
	else if (f->sockets == SOCKETS_NONE)
		upstream_give_sockets(f->upstream, family, NULL, 0);
	else if (f->sockets == SOCKETS_LATER)
		timer_start(&f->give, f->loop, 1000, calls_on_give);
}

static inline void calls_trust(struct calls *f, X509 *cert)
{
	struct slice pem = test_ca_pem(cert, NULL);

	assert_int_equal(upstream_set_trust(f->upstream, pem), 0);
	free((char *)(uintptr_t)pem.p);
}

static inline int calls_setup_with(void **state, const struct upstream_opts *opts)
{
	/* 100::/64 discards (RFC 6666): nowhere in every sense. */
	static const char *const allow[] = { "127.0.0.0/8", "::1", "100::/64" };
	struct calls *f = calloc(1, sizeof(*f));
	struct upstream_opts o = *opts;
	const char *servers[1];

	(void)signal(SIGPIPE, SIG_IGN);
	f->open_fds = calls_open_fds();
	dns_server_start(&f->dns, calls_names);
	servers[0] = f->dns.addr;
	f->loop = loop_new();
	f->sockets = SOCKETS_LATER;
	test_ca_new(&f->ca, "provider test CA");
	o.servers = servers;
	o.n_servers = 1;
	o.on_need_sockets = calls_on_need;
	o.ctx = f;
	if (!o.allow) {
		o.allow = allow;
		o.n_allow = ARRAY_SIZE(allow);
	}
	*state = f;
	if (!f->loop || upstream_new(f->loop, &o, &f->upstream) < 0)
		return -1;
	calls_trust(f, f->ca.cert);
	return 0;
}

static inline int calls_setup(void **state)
{
	return calls_setup_with(state, &(struct upstream_opts){ .connect_timeout_us = 5000000 });
}

static inline int calls_teardown(void **state)
{
	struct calls *f = *state;
	unsigned open_fds;

	upstream_free(f->upstream);
	timer_stop(&f->give);
	loop_free(f->loop);
	dns_server_stop(&f->dns);
	test_ca_free(&f->ca);
	open_fds = calls_open_fds();
	if (open_fds != f->open_fds)
		print_error("%u descriptors open, %u before\n", open_fds, f->open_fds);
	open_fds -= f->open_fds;
	free(f);
	return open_fds ? -1 : 0;
}

static inline void calls_on_limit(struct timer *t)
{
	(void)t;
	fail_msg("nothing happened within the limit");
}

/* Runs the loop until someone stops it. */
static inline void calls_run(struct calls *f)
{
	timer_start(&f->limit, f->loop, CALLS_LIMIT_US, calls_on_limit);
	loop_run(f->loop);
	timer_stop(&f->limit);
}

struct outcome {
	struct calls *f;
	unsigned calls;
	struct upstream_conn *conn;
	enum eg_reason reason;
	char detail[512];
};

static inline void calls_on_outcome(void *ctx, struct upstream_conn *conn, enum eg_reason reason,
				    const char *detail)
{
	struct outcome *o = ctx;

	o->calls++;
	o->conn = conn;
	o->reason = reason;
	(void)slice_copy(slice_str(detail), o->detail, sizeof(o->detail));
	loop_stop(o->f->loop);
}

static inline struct upstream_target calls_target(const char *host, uint16_t port,
						  const char *credential)
{
	return (struct upstream_target){ .provider = 1,
					 .host = slice_str(host),
					 .port = port,
					 .credential = slice_str(credential) };
}

/* Whatever comes of it, waited for. */
static inline struct outcome calls_try(struct calls *f, const struct upstream_target *to)
{
	struct outcome o = { .f = f };

	if (upstream_get(f->upstream, to, false, calls_on_outcome, &o))
		calls_run(f);
	assert_int_equal(o.calls, 1);
	return o;
}

/* A connection, or the test fails. */
static inline struct upstream_conn *calls_get(struct calls *f, const char *host, uint16_t port,
					      const char *credential)
{
	struct upstream_target to = calls_target(host, port, credential);
	struct outcome o = calls_try(f, &to);

	if (!o.conn)
		fail_msg("reason %d: %s", (int)o.reason, o.detail);
	return o.conn;
}

/* Why there is none; detail must have these words. */
static inline void calls_refused(struct calls *f, const char *host, uint16_t port,
				 enum eg_reason reason, const char *words)
{
	struct upstream_target to = calls_target(host, port, "key");
	struct outcome o = calls_try(f, &to);

	assert_null(o.conn);
	if (o.reason != reason || !strstr(o.detail, words))
		fail_msg("reason %d, not %d; \"%s\" should have \"%s\"", (int)o.reason, (int)reason,
			 o.detail, words);
	assert_int_equal(ERR_peek_error(), 0);
}

struct talk {
	struct calls *f;
	struct upstream_conn *conn;
	char answer;
	bool ended;
};

static inline void calls_on_answer(struct io *io, int events)
{
	struct upstream_conn *c = container_of(io, struct upstream_conn, io);
	struct talk *t = c->owner;
	int r;

	(void)events;
	ERR_clear_error();
	r = SSL_read(c->ssl, &t->answer, 1);
	if (r != 1 && SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ)
		return;
	t->ended = r != 1;
	io_want(io, 0);
	loop_stop(t->f->loop);
}

/* Sends a command, returns the answer; '\0' when the connection ended instead. */
static inline char calls_talk(struct calls *f, struct upstream_conn *c, char command)
{
	struct talk t = { .f = f, .conn = c };

	c->owner = &t;
	c->io.on_ready = calls_on_answer;
	assert_int_equal(SSL_write(c->ssl, &command, 1), 1);
	io_want(&c->io, IO_READ);
	calls_run(f);
	return t.ended ? '\0' : t.answer;
}

struct until {
	struct calls *f;
	struct timer timer;
	uint64_t idle;
};

static inline void calls_on_look(struct timer *t)
{
	struct until *u = container_of(t, struct until, timer);
	struct upstream_stats stats;

	upstream_get_stats(u->f->upstream, &stats);
	if (stats.idle == u->idle)
		loop_stop(u->f->loop);
	else
		timer_start(t, u->f->loop, 1000, calls_on_look);
}

/* Runs until so many connections are idle. */
static inline void calls_until_idle(struct calls *f, uint64_t idle)
{
	struct until u = { .f = f, .idle = idle };

	timer_start(&u.timer, f->loop, 0, calls_on_look);
	calls_run(f);
	timer_stop(&u.timer);
}
