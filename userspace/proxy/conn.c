/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "proxy/greet.h"
#include "proxy/passthrough.h"
#include "proxy/refusal.h"
#include "proxy/session.h"
#include "proxy/state.h"
#include "tls/server.h"
#include "tls/stream.h"

#define LINGER_MS    2000u
#define LINGER_MAX   ((size_t)64 * 1024 * 1024) /* bytes; some send all before they read */
#define LINGER_READS 16
#define DISTRUST                                                                                   \
	"make it trust egret's CA: start it with `egret run`, or set NODE_EXTRA_CA_CERTS, "        \
	"SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE as `egret ca show` says"

/* TLS alerts we send by hand, before there is a TLS to send them (RFC 8446 6.2). */
enum alert {
	ALERT_NONE = 0,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_ACCESS_DENIED = 49,
	ALERT_UNRECOGNIZED_NAME = 112,
};

/* ---- the end ---- */

static void stop_waiting(struct conn *c)
{
	if (c->minting)
		tls_server_cancel(TAKE_PTR(c->minting));
	attest_cancel(&c->identifying);
}

void conn_close(struct conn *c, bool reset)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct worker *w = c->w;
	bool was_open = c->state == CONN_OPEN;

	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	if (c->session)
		session_abort(c->session,
			      w->stopping ? EG_REASON_shutting_down : EG_REASON_client_gone);
	passthrough_stop(c->passthrough);
	stop_waiting(c);
	io_stop(&c->io);
	deadline_stop(&c->deadline);
	if (reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	else if (was_open)
		stream_end(c->ssl);
	cleanup_close(&c->fd);
	c->fd = -EBADF;
	c->caller.who = attest_unref(c->caller.who);
	conns_remove(c);
}

static void on_linger_late(struct deadline *d)
{
	conn_close(container_of(d, struct conn, deadline), false);
}

/* What the client still sends is thrown away: closing over it would reset the connection, and the
 * client might lose the answer. */
static void on_linger(struct io *io, int events)
{
	struct conn *c = container_of(io, struct conn, io);
	ssize_t n = -1;

	(void)events;
	for (int i = 0; i < LINGER_READS; i++) {
		n = recv(c->fd, c->w->scratch, SCRATCH_SIZE, MSG_DONTWAIT);
		if (n <= 0)
			break;
		c->drained += (size_t)n;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->drained >= LINGER_MAX)
		conn_close(c, false);
}

void conn_linger(struct conn *c)
{
	stop_waiting(c);
	if (c->ssl)
		stream_end(c->ssl);
	(void)shutdown(c->fd, SHUT_WR);
	c->state = CONN_CLOSING;
	conns_set_idle(c, true);
	io_stop(&c->io);
	io_start(&c->io, c->w->loop, c->fd, IO_READ, on_linger);
	deadline_set(&c->deadline, c->w->loop, loop_now_us(c->w->loop), LINGER_MS * 1000,
		     on_linger_late);
}

struct conn *conn_bury(struct conn *c)
{
	c->session = session_free(c->session);
	c->passthrough = passthrough_free(c->passthrough);
	c->ssl = stream_free(c->ssl);
	c->caller.share = share_unref(c->caller.share);
	free(c);
	return NULL;
}

/* ---- refusals below HTTP ---- */

static enum alert alert_for(enum eg_reason reason)
{
	switch (reason) {
	case EG_REASON_hello_malformed:
	case EG_REASON_hello_too_large:
		return ALERT_DECODE_ERROR;
	case EG_REASON_no_sni:
		return ALERT_UNRECOGNIZED_NAME;
	case EG_REASON_mint_failed:
		return ALERT_INTERNAL_ERROR;
	case EG_REASON_overloaded:
	case EG_REASON_k_egress_denied:
	case EG_REASON_not_passed:
		return ALERT_ACCESS_DENIED;
	default:
		return ALERT_NONE;
	}
}

void conn_refuse(struct conn *c, enum eg_reason reason, const char *text)
{
	enum alert alert = alert_for(reason);
	/* A record of TLS 1.2, which every version reads: alert, fatal. */
	unsigned char record[] = { 21, 3, 3, 0, 2, 2, (unsigned char)alert };

	if (reason == EG_REASON_client_gone) {
		conn_close(c, false);
		return;
	}
	c->w->count.denied++;
	note_conn(c, reason, text);
	if (alert != ALERT_NONE)
		(void)send(c->fd, record, sizeof(record), MSG_DONTWAIT | MSG_NOSIGNAL);
	conn_linger(c);
}

/* ---- TLS ---- */

static void on_ready(struct io *io, int events)
{
	session_on_ready(container_of(io, struct conn, io)->session, events);
}

static void on_handshake_late(struct deadline *d)
{
	conn_refuse(container_of(d, struct conn, deadline), EG_REASON_tls_failed,
		    "the handshake took too long");
}

static void open_session(struct conn *c)
{
	c->state = CONN_OPEN;
	c->session = session_new(c);
	if (!c->session) {
		conn_close(c, true);
		return;
	}
	io_stop(&c->io);
	io_start(&c->io, c->w->loop, c->fd, IO_READ, on_ready);
	conns_set_idle(c, true);
	/* The first request may have come with the end of the handshake. */
	if (c->state == CONN_OPEN && stream_has_more(c->ssl))
		session_on_ready(c->session, IO_READ);
}

static void note_failure(struct conn *c)
{
	char text[256];

	if (tls_is_distrust(c->ssl, stream_error(c->ssl), text, sizeof(text)))
		note_conn(c, EG_REASON_tls_untrusted, DISTRUST);
	else
		note_conn(c, EG_REASON_tls_failed, text);
}

void conn_note_end(struct conn *c)
{
	char text[256];

	if (tls_is_distrust(c->ssl, stream_error(c->ssl), text, sizeof(text)))
		note_conn(c, EG_REASON_tls_untrusted, DISTRUST);
}

static void on_handshake(struct io *io, int events)
{
	struct conn *c = container_of(io, struct conn, io);
	int r = stream_accept(c->ssl);

	(void)events;
	if (r == -EAGAIN) {
		io_want(&c->io, stream_wants_write(c->ssl) ? IO_WRITE : IO_READ);
	} else if (r < 0) {
		c->w->count.denied++;
		note_failure(c);
		conn_linger(c);
	} else {
		open_session(c);
	}
}

static void on_minted(void *ctx, SSL_CTX *ssl_ctx)
{
	struct conn *c = ctx;

	c->minting = NULL;
	if (ssl_ctx)
		c->ssl = stream_new_server(ssl_ctx, c->fd);
	if (!c->ssl) {
		conn_refuse(c, EG_REASON_mint_failed, NULL);
		return;
	}
	c->state = CONN_HANDSHAKE;
	io_stop(&c->io);
	io_start(&c->io, c->w->loop, c->fd, IO_READ, on_handshake);
	on_handshake(&c->io, IO_READ);
}

/* Who it is comes first, so that whatever fails from here on can name the process. Not to know is
 * no reason to end the connection: each request asks again, and is told why it is refused. */
static void on_attested(void *ctx, struct attested *who)
{
	struct conn *c = ctx;
	struct tls_wait *wait;

	c->caller.who = attest_ref(who);
	if (!names_take(c->w, &c->caller)) {
		conn_refuse(
			c, EG_REASON_overloaded,
			"this cgroup asks for too many names of a governed pattern at once: use "
			"those that the provider gave you");
		return;
	}
	wait = tls_server_get(c->w->tls, caller_host(&c->caller), on_minted, c);
	if (wait)
		c->minting = wait;
}

void conn_terminate(struct conn *c)
{
	struct worker *w = c->w;

	c->state = CONN_MINT;
	io_want(&c->io, 0);
	deadline_set(&c->deadline, w->loop, loop_now_us(w->loop), w->set.handshake_ms * 1000,
		     on_handshake_late);
	attest_get(w->attest, &c->caller.flow, &c->identifying, on_attested, c);
}

/* NULL when there is no room for it, of all or of its cgroup's share; or no memory. */
static struct conn *new_conn(struct worker *w, const struct eg_flow *flow)
{
	struct conn *c = calloc(1, sizeof(*c));
	const char *text;

	if (!c)
		return NULL;
	c->w = w;
	c->caller.flow = *flow;
	c->caller.share = share_get(w, flow);
	if (!c->caller.share)
		return conn_bury(c);
	if (!conns_make_room_in(w, c->caller.share))
		text = "this cgroup holds its share of connections: close some, or raise "
		       "limits.connections in egret.json";
	else if (!conns_make_room(w))
		text = "all connections are in use: raise limits.connections in egret.json";
	else
		return c;
	w->count.denied++;
	note_caller(w, &c->caller, EG_REASON_overloaded, text);
	return conn_bury(c);
}

void conn_start(struct worker *w, int fd, const struct eg_flow *flow)
{
	struct conn *c;
	int one = 1;

	if (!w->gen || w->stopping) {
		log_warn_limited("connection turned away reason=%s pid=%u",
				 w->stopping ? "shutting_down" : "no_policy", flow->tgid);
		cleanup_close(&fd);
		return;
	}
	c = new_conn(w, flow);
	if (!c) {
		cleanup_close(&fd);
		return;
	}
	c->fd = fd;
	c->since_us = loop_now_us(w->loop);
	conns_add(c);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	greet_start(c);
}
