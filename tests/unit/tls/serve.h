/* SPDX-License-Identifier: Apache-2.0 */
/* A tls_server with a vault played by the test, and handshakes over a socket pair. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/socket.h>

#include "event/loop.h"
#include "tests/unit/tls/ca.h"
#include "tls/server.h"

struct question {
	char host[256];
	char spki[256];
	size_t spki_n;
};

struct serve {
	struct loop *loop;
	struct tls_server *server;
	struct test_ca ca;
	unsigned asked; /* mint requests seen */
	struct question last;
};

static inline void serve_on_mint(void *ctx, struct slice host, struct slice spki)
{
	struct serve *f = ctx;

	f->asked++;
	assert_true(spki.n <= sizeof(f->last.spki));
	(void)slice_copy(host, f->last.host, sizeof(f->last.host));
	memcpy(f->last.spki, spki.p, spki.n);
	f->last.spki_n = spki.n;
}

static inline int serve_setup_with(void **state, size_t cache_max)
{
	struct serve *f = calloc(1, sizeof(*f));
	struct tls_server_opts o = { .mint = serve_on_mint, .ctx = f, .cache_max = cache_max };

	(void)signal(SIGPIPE, SIG_IGN);
	f->loop = loop_new();
	test_ca_new(&f->ca, "egret test CA");
	*state = f;
	return tls_server_new(f->loop, &o, &f->server);
}

static inline int serve_setup(void **state)
{
	return serve_setup_with(state, 0);
}

static inline int serve_teardown(void **state)
{
	struct serve *f = *state;

	tls_server_free(f->server);
	loop_free(f->loop);
	test_ca_free(&f->ca);
	free(f);
	return 0;
}

/* The vault's good answer to a question, valid for to_s seconds more (0: an hour). */
static inline void serve_answer(struct serve *f, const struct question *q, long to_s)
{
	char san[300];
	struct test_leaf leaf = { .san = san, .to_s = to_s };
	struct slice pem;

	(void)snprintf(san, sizeof(san), "DNS:%s", q->host);
	pem = test_ca_mint(&f->ca, slice_of(q->spki, q->spki_n), &leaf);
	tls_server_minted(f->server, slice_str(q->host), pem);
	free((char *)(uintptr_t)pem.p);
}

struct got {
	unsigned calls;
	SSL_CTX *ctx; /* with a reference */
};

static inline void serve_on_ready(void *ctx, SSL_CTX *ssl_ctx)
{
	struct got *g = ctx;

	g->calls++;
	if (ssl_ctx)
		(void)SSL_CTX_up_ref(ssl_ctx);
	SSL_CTX_free(g->ctx);
	g->ctx = ssl_ctx;
}

static inline struct tls_wait *serve_get(struct serve *f, struct got *g, const char *host)
{
	*g = (struct got){ .calls = 0 };
	return tls_server_get(f->server, slice_str(host), serve_on_ready, g);
}

/* A context for host, minted if need be; one reference is the caller's. */
static inline SSL_CTX *serve_context(struct serve *f, const char *host)
{
	struct got g;

	if (serve_get(f, &g, host))
		serve_answer(f, &f->last, 0);
	assert_int_equal(g.calls, 1);
	assert_non_null(g.ctx);
	return g.ctx;
}

/* A client and a server SSL at two ends of a socket pair. */
struct link {
	SSL *client, *server;
	int client_fd, server_fd;
	int client_error, server_error; /* SSL_get_error() of the handshake; 0: done */
	unsigned long server_reason; /* its reason code, when it failed */
	unsigned long client_reason;
};

static inline SSL_CTX *serve_client_context(const struct serve *f)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	assert_true(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), f->ca.cert));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* A session in OpenSSL's own cache is made unusable when its context is freed. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static inline void link_open(struct link *l, SSL_CTX *client, SSL_CTX *server, const char *name)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	*l = (struct link){ .client = SSL_new(client),
			    .server = SSL_new(server),
			    .client_fd = fds[0],
			    .server_fd = fds[1],
			    .client_error = -1,
			    .server_error = -1 };
	assert_true(SSL_set_fd(l->client, fds[0]) && SSL_set_fd(l->server, fds[1]));
	SSL_set_connect_state(l->client);
	SSL_set_accept_state(l->server);
	if (name) {
		assert_true(SSL_set_tlsext_host_name(l->client, (char *)(uintptr_t)name));
		assert_true(SSL_set1_host(l->client, name));
	}
}

static inline bool link_step(SSL *ssl, int *error, unsigned long *reason)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(ssl);
	if (r == 1) {
		*error = 0;
		return true;
	}
	*error = SSL_get_error(ssl, r);
	*reason = (unsigned long)ERR_GET_REASON(ERR_peek_error());
	return *error != SSL_ERROR_WANT_READ && *error != SSL_ERROR_WANT_WRITE;
}

/* Drives both until both have finished or failed. On a failure of the server its error queue is
 * left as it was, for tls_is_distrust(). */
static inline void link_shake(struct link *l)
{
	bool client = false, server = false;

	for (unsigned i = 0; i < 20 && !(client && server); i++) {
		if (!client)
			client = link_step(l->client, &l->client_error, &l->client_reason);
		if (!server)
			server = link_step(l->server, &l->server_error, &l->server_reason);
		if (server && l->server_error)
			return;
	}
	assert_true(server);
}

/* One byte from server to client, which also brings the tickets of TLS 1.3. */
static inline void link_talk(struct link *l)
{
	char c = 0;

	assert_int_equal(SSL_write(l->server, "x", 1), 1);
	assert_int_equal(SSL_read(l->client, &c, 1), 1);
	assert_int_equal(c, 'x');
}

static inline void link_close(struct link *l)
{
	/* Otherwise OpenSSL takes the session for broken. */
	SSL_set_shutdown(l->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(l->client);
	SSL_free(l->server);
	close(l->client_fd);
	close(l->server_fd);
	ERR_clear_error();
}
