/* SPDX-License-Identifier: Apache-2.0 */
#include "event/channel.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/secret.h"

#define QUEUE_MAX     (4u * 1024 * 1024) /* bytes waiting to be sent */
#define QUEUE_FDS_MAX 512u /* descriptors among them: they count against our own limit */
#define CALLS_BUCKETS 64u

static const struct {
	uint32_t from;
	uint32_t max;
} table[EG_MSG_COUNT] = {
#define X(name, role, len) [EG_MSG_##name] = { role, len },
	EG_MSGS(X)
#undef X
};

/* A message waiting for the socket to take it. */
struct queued {
	struct queued *next;
	size_t n;
	unsigned n_fds;
	int fds[EG_MSG_FDS];
	char data[];
};

struct call {
	struct call *next;
	struct channel *ch;
	uint32_t id;
	channel_reply_fn on_reply;
	void *ctx;
	struct timer timer;
};

struct channel {
	struct loop *loop;
	struct channel_opts opts;
	struct io io;
	struct timer closing; /* delivers on_close from the loop */
	int error;
	bool ended;
	bool *freed; /* set while a callback runs, to learn that it freed us */
	uint32_t next_id;
	struct queued *head, **tail;
	size_t queued;
	unsigned queued_fds;
	struct call *calls[CALLS_BUCKETS];
	char *rx; /* EG_MSG_MAX bytes */
	struct secret rx_secret;
};

int channel_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0
		       ? -errno
		       : 0;
}

static void close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		cleanup_close(&fds[i]);
}

static void queued_free(struct queued *q)
{
	close_fds(q->fds, q->n_fds);
	explicit_bzero(q->data, q->n);
	free(q);
}

static void call_finish(struct call *c, struct msg *m)
{
	timer_stop(&c->timer);
	c->on_reply(c->ctx, m);
	free(c);
}

static void fail_calls(struct channel *ch)
{
	for (unsigned i = 0; i < CALLS_BUCKETS; i++) {
		while (ch->calls[i]) {
			struct call *c = ch->calls[i];

			ch->calls[i] = c->next;
			call_finish(c, NULL);
		}
	}
}

static void on_closing(struct timer *t)
{
	struct channel *ch = container_of(t, struct channel, closing);
	bool freed = false;

	ch->freed = &freed;
	fail_calls(ch);
	if (freed)
		return;
	ch->freed = NULL;
	ch->opts.on_close(ch, ch->opts.ctx, ch->error);
}

static void end(struct channel *ch, int error)
{
	if (ch->ended)
		return;
	ch->ended = true;
	ch->error = error;
	io_stop(&ch->io);
	timer_start(&ch->closing, ch->loop, 0, on_closing);
}

static ssize_t send_now(int fd, const struct iovec *iov, size_t n_iov, const int *fds,
			unsigned n_fds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * EG_MSG_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr mh = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov };
	ssize_t r;

	if (n_fds) {
		struct cmsghdr *c;

		mh.msg_control = control.space;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do {
		r = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* Sends what waits; leaves the watcher asking for room only while something is left. */
static void flush(struct channel *ch)
{
	while (ch->head) {
		struct queued *q = ch->head;
		struct iovec iov = { q->data, q->n };
		ssize_t r = send_now(io_fd(&ch->io), &iov, 1, q->fds, q->n_fds);

		if (r == -EAGAIN || r == -ENOBUFS)
			break;
		if (r < 0) {
			end(ch, r == -EPIPE || r == -ECONNRESET ? 0 : (int)r);
			return;
		}
		ch->head = q->next;
		if (!ch->head)
			ch->tail = &ch->head;
		ch->queued -= q->n;
		ch->queued_fds -= q->n_fds;
		queued_free(q);
	}
	io_want(&ch->io, ch->head ? IO_READ | IO_WRITE : IO_READ);
}

static int enqueue(struct channel *ch, const struct iovec *iov, size_t n_iov, const int *fds,
		   unsigned n_fds)
{
	struct queued *q;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < n_iov; i++)
		n += iov[i].iov_len;
	if (ch->queued + n > QUEUE_MAX || ch->queued_fds + n_fds > QUEUE_FDS_MAX) {
		end(ch, -ENOBUFS);
		return -EPIPE;
	}
	q = malloc(sizeof(*q) + n);
	if (!q)
		return -ENOMEM;
	q->next = NULL;
	q->n = n;
	q->n_fds = 0;
	for (unsigned i = 0; i < n_fds; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int error = -errno;

			queued_free(q);
			return error;
		}
		q->fds[q->n_fds++] = fd;
	}
	for (size_t i = 0; i < n_iov; i++) {
		if (iov[i].iov_len)
			memcpy(q->data + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	*ch->tail = q;
	ch->tail = &q->next;
	ch->queued += n;
	ch->queued_fds += n_fds;
	io_want(&ch->io, IO_READ | IO_WRITE);
	return 0;
}

int channel_fd(const struct channel *ch)
{
	return io_fd(&ch->io);
}

bool channel_is_flushed(const struct channel *ch)
{
	return !ch->head;
}

bool channel_is_owed(const struct channel *ch)
{
	for (unsigned i = 0; i < CALLS_BUCKETS; i++)
		if (ch->calls[i])
			return true;
	return false;
}

static int send_msg(struct channel *ch, uint16_t type, uint32_t id, const void *head, size_t head_n,
		    const void *tail, size_t tail_n, const int *fds, unsigned n_fds)
{
	struct eg_msg_header h = {
		.type = type, .n_fds = (uint16_t)n_fds, .id = id, .len = (uint32_t)(head_n + tail_n)
	};
	struct iovec iov[3] = { { &h, sizeof(h) },
				{ (void *)(uintptr_t)head, head_n },
				{ (void *)(uintptr_t)tail, tail_n } };
	ssize_t r;

	assert(type > EG_MSG_none && type < EG_MSG_COUNT && n_fds <= EG_MSG_FDS);
	if (ch->ended)
		return -EPIPE;
	if (head_n + tail_n > table[type].max)
		return -EMSGSIZE;
	if (ch->head)
		return enqueue(ch, iov, 3, fds, n_fds);
	r = send_now(io_fd(&ch->io), iov, 3, fds, n_fds);
	if (r == -EAGAIN || r == -ENOBUFS)
		return enqueue(ch, iov, 3, fds, n_fds);
	if (r == -EPIPE || r == -ECONNRESET) {
		end(ch, 0);
		return -EPIPE;
	}
	return r < 0 ? (int)r : 0;
}

int channel_send(struct channel *ch, uint16_t type, const void *body, size_t n, const int *fds,
		 unsigned n_fds)
{
	return send_msg(ch, type, 0, body, n, NULL, 0, fds, n_fds);
}

int channel_send2(struct channel *ch, uint16_t type, const void *head, size_t head_n,
		  const void *tail, size_t tail_n, const int *fds, unsigned n_fds)
{
	return send_msg(ch, type, 0, head, head_n, tail, tail_n, fds, n_fds);
}

int channel_reply(struct channel *ch, uint16_t type, uint32_t id, const void *head, size_t head_n,
		  const void *tail, size_t tail_n, const int *fds, unsigned n_fds)
{
	/* The top bit tells a reply from a request of the peer's with the same number. */
	return send_msg(ch, type, id | 0x80000000u, head, head_n, tail, tail_n, fds, n_fds);
}

static struct call *take_call(struct channel *ch, uint32_t id)
{
	struct call **at = &ch->calls[id % CALLS_BUCKETS];

	for (; *at; at = &(*at)->next) {
		if ((*at)->id == id) {
			struct call *c = *at;

			*at = c->next;
			return c;
		}
	}
	return NULL;
}

static void on_call_timeout(struct timer *t)
{
	struct call *c = container_of(t, struct call, timer);

	(void)take_call(c->ch, c->id);
	call_finish(c, NULL);
}

int channel_call(struct channel *ch, uint16_t type, const void *head, size_t head_n,
		 const void *tail, size_t tail_n, const int *fds, unsigned n_fds,
		 uint64_t timeout_us, channel_reply_fn on_reply, void *ctx)
{
	struct call *c;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	ch->next_id = (ch->next_id + 1) & 0x7fffffffu;
	if (ch->next_id == 0)
		ch->next_id = 1;
	c->ch = ch;
	c->id = ch->next_id;
	c->on_reply = on_reply;
	c->ctx = ctx;
	r = send_msg(ch, type, c->id, head, head_n, tail, tail_n, fds, n_fds);
	if (r < 0) {
		free(c);
		return r;
	}
	c->next = ch->calls[c->id % CALLS_BUCKETS];
	ch->calls[c->id % CALLS_BUCKETS] = c;
	if (timeout_us)
		timer_start(&c->timer, ch->loop, timeout_us, on_call_timeout);
	return 0;
}

static unsigned take_fds(struct msghdr *mh, int *fds, unsigned max)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		unsigned count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < max)
				fds[n++] = fd;
			else
				(void)close(fd);
		}
	}
	return n;
}

/* One datagram into data; its length, 0 at the end, or -errno. */
static ssize_t recv_now(int fd, char *data, size_t size, int *fds, unsigned *ret_n_fds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * EG_MSG_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { data, size };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space) };
	ssize_t r;

	*ret_n_fds = 0;
	do {
		r = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret_n_fds = take_fds(&mh, fds, EG_MSG_FDS);
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EPROTO;
	return r;
}

static bool is_allowed(const struct eg_msg_header *h, size_t n, unsigned n_fds, uint32_t peer_role)
{
	return n >= sizeof(*h) && h->len == n - sizeof(*h) && h->n_fds == n_fds &&
	       h->type > EG_MSG_none && h->type < EG_MSG_COUNT && h->len <= table[h->type].max &&
	       (table[h->type].from & peer_role);
}

static void deliver(struct channel *ch, struct msg *m)
{
	if (m->id & 0x80000000u) {
		struct call *c = take_call(ch, m->id & 0x7fffffffu);

		if (c)
			call_finish(c, m); /* a late reply to a call that timed out is dropped */
		return;
	}
	ch->opts.on_msg(ch, ch->opts.ctx, m);
}

/* Receives one message and hands it on; false when there is no more, or no more channel. */
static bool receive(struct channel *ch)
{
	struct eg_msg_header h;
	int fds[EG_MSG_FDS];
	unsigned n_fds;
	bool freed = false, secret = ch->opts.secret;
	char *rx = ch->rx;
	ssize_t n = recv_now(io_fd(&ch->io), rx, EG_MSG_MAX, fds, &n_fds);
	struct msg m;

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		close_fds(fds, n_fds);
		end(ch, n == -ECONNRESET ? 0 : (int)n);
		return false;
	}
	if ((size_t)n >= sizeof(h))
		memcpy(&h, rx, sizeof(h));
	if ((size_t)n < sizeof(h) || !is_allowed(&h, (size_t)n, n_fds, ch->opts.peer_role)) {
		close_fds(fds, n_fds);
		end(ch, -EPROTO);
		return false;
	}
	m = (struct msg){ .type = h.type,
			  .id = h.id,
			  .body = slice_of(rx + sizeof(h), h.len),
			  .fds = fds,
			  .n_fds = n_fds };
	ch->freed = &freed;
	deliver(ch, &m);
	close_fds(fds, n_fds);
	if (freed)
		return false;
	ch->freed = NULL;
	if (secret)
		explicit_bzero(rx, (size_t)n);
	return !ch->ended;
}

static void on_ready(struct io *io, int events)
{
	struct channel *ch = container_of(io, struct channel, io);

	if (events & IO_WRITE)
		flush(ch);
	/* A bound, so that a chatty peer cannot starve the others. */
	for (int i = 0; i < 32 && !ch->ended && events & IO_READ; i++)
		if (!receive(ch))
			return;
}

int channel_new(struct loop *l, int fd, const struct channel_opts *opts, struct channel **ret)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int r = 0;

	if (!ch)
		return -ENOMEM;
	ch->loop = l;
	ch->opts = *opts;
	ch->tail = &ch->head;
	if (opts->secret)
		r = secret_new(EG_MSG_MAX, &ch->rx_secret);
	ch->rx = opts->secret ? ch->rx_secret.p : malloc(EG_MSG_MAX);
	if (r < 0 || !ch->rx) {
		free(ch);
		return -ENOMEM;
	}
	io_start(&ch->io, l, fd, IO_READ, on_ready);
	*ret = ch;
	return 0;
}

struct channel *channel_free(struct channel *ch)
{
	if (!ch)
		return NULL;
	if (ch->freed)
		*ch->freed = true;
	ch->ended = true;
	io_stop(&ch->io);
	timer_stop(&ch->closing);
	ch->freed = NULL;
	fail_calls(ch);
	while (ch->head) {
		struct queued *q = ch->head;

		ch->head = q->next;
		queued_free(q);
	}
	(void)close(io_fd(&ch->io));
	if (ch->opts.secret)
		secret_free(&ch->rx_secret);
	else
		free(ch->rx);
	free(ch);
	return NULL;
}

ssize_t channel_recv_blocking(int fd, uint16_t type, void *ret_body, size_t size, int *ret_fds,
			      unsigned max_fds, unsigned *ret_n_fds)
{
	_cleanup_free_ char *rx = malloc(EG_MSG_MAX);
	struct eg_msg_header h;
	int fds[EG_MSG_FDS];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (!rx)
		return -ENOMEM;
	do {
		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
		n = recv_now(fd, rx, EG_MSG_MAX, fds, ret_n_fds);
	} while (n == -EAGAIN);
	if (n >= (ssize_t)sizeof(h))
		memcpy(&h, rx, sizeof(h));
	if (n < (ssize_t)sizeof(h) || h.type != type || h.len != (size_t)n - sizeof(h) ||
	    h.len > size || *ret_n_fds > max_fds) {
		close_fds(fds, *ret_n_fds);
		*ret_n_fds = 0;
		return n < 0 ? n : -EPROTO;
	}
	memcpy(ret_body, rx + sizeof(h), h.len);
	memcpy(ret_fds, fds, sizeof(int) * *ret_n_fds);
	return (ssize_t)h.len;
}
