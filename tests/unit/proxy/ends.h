/* SPDX-License-Identifier: Apache-2.0 */
/* What a test does with a rig: it is the client, the provider and the recorder, step by step. */
#pragma once

#include <netinet/tcp.h>

#include "tests/unit/proxy/rig.h"

/* ---- records ---- */

static inline void rig_copy_record(void *ctx, const struct eg_record *rec)
{
	memcpy(ctx, rec, sizeof(*rec));
}

/* The next one; fails when none comes. */
static inline struct eg_record rig_record(struct rig *r)
{
	struct eg_record rec = { 0 };

	for (int i = 0; i < RIG_LIMIT_S * 10; i++) {
		struct pollfd p = { .fd = r->wake_fd, .events = POLLIN };

		if (slab_drain(r->slab, 1, rig_copy_record, &rec)) {
			slab_release(r->slab);
			return rec;
		}
		if (slab_prepare_sleep(r->slab))
			(void)poll(&p, 1, 100);
	}
	fail_msg("no record came");
	return rec;
}

static inline bool rig_has_record(struct rig *r)
{
	struct eg_record rec;
	bool has = slab_drain(r->slab, 1, rig_copy_record, &rec) > 0;

	slab_release(r->slab);
	return has;
}

/* A note comes to the monitor over a channel of its own, perhaps later than what it tells is seen.
 */
static inline void rig_wait_note(const struct rig *r, enum eg_reason reason)
{
	for (int i = 0; i < RIG_LIMIT_S * 1000 && !r->noted[reason]; i++) {
		struct pollfd none = { .fd = -1 };

		(void)poll(&none, 1, 1);
	}
	if (!r->noted[reason])
		fail_msg("no note of reason %u came", reason);
}

/* ---- both ends ---- */

struct rig_end {
	int fd;
	SSL *ssl;
	char text[1 << 18]; /* of the last message read */
	size_t n;
};

static inline void rig_limit(int fd)
{
	struct timeval tv = { .tv_sec = RIG_LIMIT_S };
	int one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

struct rig_arrival {
	struct rig *r;
	int fd;
	struct eg_flow flow;
};

static inline void rig_arrive(void *arg)
{
	struct rig_arrival *a = arg;

	conn_start(a->r->w, a->fd, &a->flow);
}

static inline struct eg_flow rig_flow(const struct rig *r)
{
	return (struct eg_flow){ .cookie = 77,
				 .cgroup = 5,
				 .start_ns = 9,
				 .tgid = 42,
				 .uid = 1000,
				 .provider = 1,
				 .dport = r->port,
				 .dst = { { 0, 0, htonl(0xffff), htonl(INADDR_LOOPBACK) } },
				 .family = AF_INET,
				 .comm = "app" };
}

/* A TCP connection that the worker has been given. */
static inline void rig_connect_flow(struct rig *r, struct rig_end *c, const struct eg_flow *flow)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(r->front_port),
				   .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct rig_arrival a = { .r = r, .flow = *flow };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->ssl = NULL;
	c->n = 0;
	rig_limit(c->fd);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	a.fd = accept4(r->front, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(a.fd >= 0);
	rig_do(&r->at_worker, rig_arrive, &a);
}

static inline void rig_connect(struct rig *r, struct rig_end *c)
{
	struct eg_flow flow = rig_flow(r);

	rig_connect_flow(r, c, &flow);
}

static inline int rig_handshake(struct rig_end *c, SSL_CTX *ctx, const char *host)
{
	c->ssl = SSL_new(ctx);
	TEST_CA_MUST(c->ssl && SSL_set_fd(c->ssl, c->fd) &&
		     SSL_set_tlsext_host_name(c->ssl, host) && SSL_set1_host(c->ssl, host));
	return SSL_connect(c->ssl);
}

static inline void rig_open_host(struct rig *r, struct rig_end *c, const char *host)
{
	rig_connect(r, c);
	if (rig_handshake(c, r->client_ctx, host) != 1) {
		ERR_print_errors_fp(stderr);
		fail_msg("the client's handshake failed");
	}
}

static inline void rig_open(struct rig *r, struct rig_end *c)
{
	rig_open_host(r, c, RIG_HOST);
}

/* Provider: the next connection the worker makes. */
static inline void rig_accept(struct rig *r, struct rig_end *u)
{
	struct pollfd p = { .fd = r->listener, .events = POLLIN };

	assert_int_equal(poll(&p, 1, RIG_LIMIT_S * 1000), 1);
	u->fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	u->n = 0;
	rig_limit(u->fd);
	u->ssl = SSL_new(r->provider_ctx);
	TEST_CA_MUST(u->ssl && SSL_set_fd(u->ssl, u->fd));
	assert_int_equal(SSL_accept(u->ssl), 1);
}

static inline bool rig_has_provider_conn(const struct rig *r)
{
	struct pollfd p = { .fd = r->listener, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* close_notify and FIN. */
static inline void rig_close(struct rig_end *e)
{
	if (e->ssl && SSL_is_init_finished(e->ssl))
		(void)SSL_shutdown(e->ssl);
	SSL_free(e->ssl);
	ERR_clear_error();
	close(e->fd);
	*e = (struct rig_end){ .fd = -EBADF };
}

static inline void rig_reset(struct rig_end *e)
{
	struct linger hard = { .l_onoff = 1 };

	(void)setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	SSL_free(e->ssl);
	close(e->fd);
	*e = (struct rig_end){ .fd = -EBADF };
}

static inline void rig_send_n(struct rig_end *e, const void *p, size_t n)
{
	size_t done;

	assert_int_equal(SSL_write_ex(e->ssl, p, n, &done), 1);
	assert_int_equal(done, n);
}

static inline void rig_send(struct rig_end *e, const char *text)
{
	rig_send_n(e, text, strlen(text));
}

/* One more read into text; false at the end or an error. */
static inline bool rig_more(struct rig_end *e)
{
	size_t got;

	assert_true(e->n < sizeof(e->text) - 1);
	ERR_clear_error();
	if (SSL_read_ex(e->ssl, e->text + e->n, sizeof(e->text) - 1 - e->n, &got) != 1)
		return false;
	e->n += got;
	e->text[e->n] = '\0';
	return true;
}

/* Reads until the text holds `what`, keeping what was there. */
static inline void rig_until(struct rig_end *e, const char *what)
{
	e->text[e->n] = '\0';
	while (!strstr(e->text, what))
		if (!rig_more(e))
			fail_msg("ended before \"%s\" came; there was: %s", what, e->text);
}

/* Forgets what was read up to and with `what`. */
static inline void rig_skip(struct rig_end *e, const char *what)
{
	char *at = strstr(e->text, what);
	size_t n;

	assert_non_null(at);
	n = (size_t)(at - e->text) + strlen(what);
	memmove(e->text, e->text + n, e->n - n + 1);
	e->n -= n;
}

static inline void rig_forget(struct rig_end *e)
{
	e->n = 0;
	e->text[0] = '\0';
}

/* Nothing more comes: the connection has ended, properly in TLS (1) or not (0). */
static inline int rig_ended(struct rig_end *e)
{
	char c;
	int r = SSL_read(e->ssl, &c, 1);

	assert_true(r <= 0);
	r = SSL_get_error(e->ssl, r);
	if (r == SSL_ERROR_WANT_READ)
		fail_msg("the connection is still open");
	ERR_clear_error();
	return r == SSL_ERROR_ZERO_RETURN;
}

/* A chat call whose body is `body`. */
static inline void rig_post(struct rig_end *c, const char *path, const char *more, const char *body)
{
	char head[2048];

	(void)snprintf(head, sizeof(head),
		       "POST %s HTTP/1.1\r\nHost: " RIG_HOST
		       "\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s\r\n",
		       path, strlen(body), more);
	rig_send(c, head);
	if (*body)
		rig_send(c, body);
}

#define RIG_CHAT "/v1/chat/completions"
#define RIG_BODY "{\"model\":\"gpt-4o-mini\",\"max_tokens\":5,\"messages\":[]}"

/* The usual answer of the provider, and its way to the client. */
static inline void rig_answer(struct rig_end *u, struct rig_end *c)
{
	rig_send(u, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
		    "11\r\n\r\n{\"ok\":true}");
	rig_until(c, "{\"ok\":true}");
}
