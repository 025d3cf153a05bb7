/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/passthrough.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proxy/conn.h"
#include "proxy/greet.h"
#include "proxy/peek.h"
#include "proxy/state.h"
#include "upstream/dial.h"
#include "upstream/pool.h"

#define NARROW	       ((size_t)64 * 1024) /* what a pipe has of itself (pipe(7)) */
#define WIDE	       ((size_t)256 * 1024)
#define ROUNDS_MAX     16 /* of one direction before others get their turn */
#define SOCKET_WAIT_US 20000u

/* One direction. The pipe holds what has been read and not yet written; there is none at rest. */
struct way {
	struct pipe pipe;
	size_t held;
	bool read_ended, write_ended;
	uint64_t bytes;
};

struct passthrough {
	struct conn *conn;
	int fd; /* to the destination */
	bool connected;
	bool holds; /* nothing of the client's goes out before it was looked at */
	struct io io;
	struct timer retry;
	struct timer again;
	struct way out, in; /* client to destination, and back */
};

enum { NOBODY, CLIENT, SERVER };

/* readable: who the loop says has something to read. */
static void on_ready(struct passthrough *p, int readable);

static socklen_t destination(const struct eg_flow *f, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ss;
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)ss;

	*ss = (struct sockaddr_storage){ 0 };
	if (f->dst.a[0] == 0 && f->dst.a[1] == 0 && f->dst.a[2] == htonl(0xffff)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(f->dport);
		four->sin_addr.s_addr = f->dst.a[3];
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(f->dport);
	memcpy(&six->sin6_addr, f->dst.a, sizeof(f->dst.a));
	return sizeof(*six);
}

static void fail(struct passthrough *p)
{
	conn_close(p->conn, true);
}

/* Who spoke after the server is no client that hides what it will say. */
static bool is_held(struct passthrough *p)
{
	if (p->holds && p->in.bytes) {
		p->holds = false;
		greet_answered(p->conn);
	}
	return p->holds;
}

static void on_client(struct io *io, int events)
{
	struct passthrough *p = container_of(io, struct conn, io)->passthrough;

	if (is_held(p)) {
		enum greet greet = greet_late(p->conn);

		if (greet != GREET_PASS)
			return;
		p->holds = false;
	}
	on_ready(p, events & IO_READ ? CLIENT : NOBODY);
}

static void on_server(struct io *io, int events)
{
	on_ready(container_of(io, struct passthrough, io), events & IO_READ ? SERVER : NOBODY);
}

static void on_again(struct timer *t)
{
	on_ready(container_of(t, struct passthrough, again), NOBODY);
}

static void on_late(struct deadline *d)
{
	fail(container_of(d, struct conn, deadline)->passthrough);
}

static void start_connect(struct passthrough *p);

static void on_retry(struct timer *t)
{
	start_connect(container_of(t, struct passthrough, retry));
}

static void start_connect(struct passthrough *p)
{
	struct worker *w = p->conn->w;
	struct sockaddr_storage ss;
	socklen_t n = destination(&p->conn->caller.flow, &ss);

	p->fd = upstream_take_socket(w->upstream, ss.ss_family);
	if (p->fd == -EAGAIN) {
		p->fd = -EBADF;
		timer_start(&p->retry, w->loop, SOCKET_WAIT_US, on_retry);
		return;
	}
	if (p->fd < 0) {
		fail(p);
		return;
	}
	dial_set_options(p->fd);
	if (connect(p->fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		fail(p);
		return;
	}
	io_start(&p->io, w->loop, p->fd, IO_WRITE, on_server);
}

static int finish_connect(struct passthrough *p)
{
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error)
		return -ECONNREFUSED;
	p->connected = true;
	deadline_stop(&p->conn->deadline);
	return 0;
}

static int open_pipe(struct pipes *ps, struct pipe *p)
{
	if (pipe2(p->fd, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	p->room = NARROW;
	if (ps->n_wide < PIPES_WIDE && fcntl(p->fd[0], F_SETPIPE_SZ, (int)WIDE) >= (int)WIDE) {
		p->room = WIDE;
		ps->n_wide++;
	}
	return 0;
}

static void close_pipe(struct pipes *ps, struct pipe *p)
{
	ps->n_wide -= p->room == WIDE;
	cleanup_close(&p->fd[0]);
	cleanup_close(&p->fd[1]);
}

static int lend_pipe(struct pipes *ps, struct way *w)
{
	if (w->pipe.fd[0] >= 0)
		return 0;
	if (ps->n == 0)
		return open_pipe(ps, &w->pipe);
	w->pipe = ps->kept[--ps->n];
	return 0;
}

/* One with something in it is of no use to anybody else. */
static void return_pipe(struct pipes *ps, struct way *w)
{
	if (w->pipe.fd[0] < 0)
		return;
	if (w->held || ps->n == PIPES_KEPT)
		close_pipe(ps, &w->pipe);
	else
		ps->kept[ps->n++] = w->pipe;
	w->pipe.fd[0] = w->pipe.fd[1] = -EBADF;
}

void pipes_done(struct pipes *ps)
{
	while (ps->n)
		close_pipe(ps, &ps->kept[--ps->n]);
	assert(ps->n_wide == 0);
}

/* Reads into the pipe: bytes, 0 when there is nothing to do now, or -errno. */
static ssize_t fill(struct way *w, int from)
{
	ssize_t n;

	if (w->read_ended || w->held)
		return 0;
	n = splice(from, NULL, w->pipe.fd[1], NULL, w->pipe.room,
		   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n == 0)
		w->read_ended = true;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	w->held += (size_t)n;
	return n;
}

static ssize_t drain(struct way *w, int to)
{
	ssize_t n = 0;

	if (w->held) {
		n = splice(w->pipe.fd[0], NULL, to, NULL, w->held,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		w->held -= (size_t)n;
		w->bytes += (uint64_t)n;
	}
	if (w->read_ended && !w->held && !w->write_ended) {
		w->write_ended = true;
		(void)shutdown(to, SHUT_WR);
	}
	return n;
}

/* Urgent data stops splice(2) for good, and the loop would tell us again at once. */
static bool is_stuck(const struct way *w, int from)
{
	return !w->read_ended && !w->held && peek_is_urgent(from);
}

/* 1: there may be more at once; 0: it waits; -errno: broken. */
static int move(struct pipes *ps, struct way *w, int from, int to, bool readable)
{
	int r = lend_pipe(ps, w);

	if (r < 0)
		return r;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		ssize_t got = fill(w, from), put;

		if (got < 0)
			return (int)got;
		put = drain(w, to);
		if (put < 0)
			return (int)put;
		if (i == 0 && got == 0 && put == 0 && readable && is_stuck(w, from))
			return -EPROTO;
		if (got == 0 && put == 0)
			break;
		r = i + 1 == ROUNDS_MAX;
	}
	if (!w->held)
		return_pipe(ps, w);
	return r;
}

static int wanted(const struct way *from, const struct way *to)
{
	int events = 0;

	if (!from->read_ended && !from->held)
		events |= IO_READ;
	if (to->held)
		events |= IO_WRITE;
	return events;
}

static void on_ready(struct passthrough *p, int readable)
{
	struct conn *c = p->conn;
	int a, b;

	if (c->state != CONN_PASSTHROUGH)
		return; /* closed in this turn of the loop */
	if (!p->connected) {
		if (finish_connect(p) < 0) {
			fail(p);
			return;
		}
		io_start(&c->io, c->w->loop, c->fd, IO_READ, on_client);
	}
	a = is_held(p) ? 0 : move(&c->w->pipes, &p->out, c->fd, p->fd, readable == CLIENT);
	b = move(&c->w->pipes, &p->in, p->fd, c->fd, readable == SERVER);
	c->bytes_in = p->out.bytes;
	c->bytes_out = p->in.bytes;
	if (a < 0 || b < 0) {
		fail(p);
		return;
	}
	if (p->out.write_ended && p->in.write_ended) {
		conn_close(c, false);
		return;
	}
	io_want(&c->io, wanted(&p->out, &p->in));
	io_want(&p->io, wanted(&p->in, &p->out));
	if (a > 0 || b > 0)
		timer_start(&p->again, c->w->loop, 0, on_again);
}

int passthrough_new(struct conn *c, bool holds, struct passthrough **ret)
{
	struct passthrough *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->conn = c;
	p->holds = holds;
	p->fd = -EBADF;
	p->out.pipe = p->in.pipe = (struct pipe){ { -EBADF, -EBADF }, 0 };
	*ret = p;
	io_want(&c->io, 0);
	deadline_set(&c->deadline, c->w->loop, loop_now_us(c->w->loop), c->w->set.connect_ms * 1000,
		     on_late);
	start_connect(p);
	return 0;
}

void passthrough_stop(struct passthrough *p)
{
	if (!p)
		return;
	io_stop(&p->io);
	timer_stop(&p->retry);
	timer_stop(&p->again);
	cleanup_close(&p->fd);
	p->fd = -EBADF;
	return_pipe(&p->conn->w->pipes, &p->out);
	return_pipe(&p->conn->w->pipes, &p->in);
}

struct passthrough *passthrough_free(struct passthrough *p)
{
	passthrough_stop(p);
	free(p);
	return NULL;
}
