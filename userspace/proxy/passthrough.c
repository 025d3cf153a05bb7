/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/passthrough.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dataplane/chain.h"
#include "proxy/conn.h"
#include "proxy/greet.h"
#include "proxy/note.h"
#include "proxy/outlet.h"
#include "proxy/peek.h"
#include "proxy/state.h"
#include "upstream/address.h"
#include "upstream/dial.h"

#define NARROW	   ((size_t)64 * 1024) /* what a pipe has of itself (pipe(7)) */
#define WIDE	   ((size_t)256 * 1024)
#define ROUNDS_MAX 16 /* of one direction before others get their turn */

/* One direction. The pipe holds what has been read and not yet written; there is none at rest. */
struct way {
	struct pipe pipe;
	size_t held;
	bool read_ended, write_ended;
	uint64_t bytes;
	bool follows; /* the chain is looked at: the client's, up to the destination's first byte */
	size_t looked; /* bytes that come next, and that it knows */
	struct chain chain;
};

struct passthrough {
	struct conn *conn;
	int fd; /* to the destination */
	bool connected;
	bool holds; /* nothing of the client's goes out before it was looked at */
	struct io io;
	struct outlet outlet;
	struct timer again;
	struct way out, in; /* client to destination, and back */
};

enum { NOBODY, CLIENT, SERVER };

/* readable: who the loop says has something to read. */
static void on_ready(struct passthrough *p, int readable);

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

/* As it would have been for the client itself. */
static void on_no_route(struct passthrough *p, int error)
{
	struct conn *c = p->conn;

	if (c->caller.flow.netns == c->w->netns ||
	    (error != ENETUNREACH && error != EHOSTUNREACH && error != EADDRNOTAVAIL)) {
		fail(p);
		return;
	}
	note_conn(c, EG_REASON_not_passed, "its network namespace has no route to the address");
	c->w->count.denied++;
	fail(p);
}

static void on_socket(struct outlet *o, int fd)
{
	struct passthrough *p = container_of(o, struct passthrough, outlet);
	const struct eg_flow *f = &p->conn->caller.flow;
	struct sockaddr_storage ss;
	socklen_t n = address_sockaddr(&f->dst, f->dport, &ss);

	if (fd < 0) {
		fail(p);
		return;
	}
	p->fd = fd;
	dial_set_options(fd);
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		on_no_route(p, errno);
		return;
	}
	io_start(&p->io, p->conn->w->loop, fd, IO_WRITE, on_server);
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

/* How many of the next bytes may pass; 0: none has come; -EBADMSG: a hello begins there. */
static ssize_t look_ahead(struct way *w, int from)
{
	unsigned char byte[CHAIN_LOOK];
	ssize_t n;

	if (w->looked || chain_run(&w->chain))
		return (ssize_t)(w->looked ? w->looked : chain_run(&w->chain));
	n = recv(from, byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
	if (n == 0)
		return 1; /* the end, for splice(2) to find */
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	while (w->looked < (size_t)n && !chain_run(&w->chain))
		if (chain_byte(&w->chain, byte[w->looked++]))
			return -EBADMSG;
	return (ssize_t)w->looked;
}

static void pass_on(struct way *w, size_t n)
{
	if (w->looked)
		w->looked -= n;
	else
		chain_passed(&w->chain, (uint32_t)n);
}

/* Reads into the pipe: bytes, 0 when there is nothing to do now, or -errno. */
static ssize_t fill(struct way *w, int from)
{
	size_t room = w->pipe.room;
	ssize_t n;

	if (w->read_ended || w->held)
		return 0;
	if (w->follows) {
		n = look_ahead(w, from);
		if (n <= 0)
			return n;
		room = (size_t)n < room ? (size_t)n : room;
	}
	n = splice(from, NULL, w->pipe.fd[1], NULL, room, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0 && w->follows)
		pass_on(w, (size_t)n);
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
	/* No server of TLS speaks before it has the hello. */
	p->out.follows = c->is_chained && p->in.bytes == 0;
	a = is_held(p) ? 0 : move(&c->w->pipes, &p->out, c->fd, p->fd, readable == CLIENT);
	b = move(&c->w->pipes, &p->in, p->fd, c->fd, readable == SERVER);
	c->bytes_in = p->out.bytes;
	c->bytes_out = p->in.bytes;
	if (a == -EBADMSG) {
		note_conn(c, EG_REASON_hello_malformed,
			  "it stands behind bytes that some servers skip");
		c->w->count.denied++;
	}
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
	outlet_get(&p->outlet, c->w, &c->caller.flow, on_socket);
	return 0;
}

void passthrough_stop(struct passthrough *p)
{
	if (!p)
		return;
	io_stop(&p->io);
	outlet_cancel(&p->outlet);
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
