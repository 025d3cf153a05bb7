/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/answer.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "audit/query.h"

#define OUT_MAX (8u * 1024 * 1024)
#define OUT_LOW 65536u /* below this much waiting, more is made */
#define GONE_US (10ull * 1000000)

/*
 * MAKING ──all there is is sent──► WAITING (watches) ──rows stored──► MAKING
 *    └──end or error line written──► ENDING ──sent──► freed
 */
enum answer_state { MAKING, WAITING, ENDING };

struct answer {
	struct answers *all;
	struct answer *next, **prev;
	enum answer_state state;
	int fd;
	bool input_ended; /* the reader only reads from here on */
	struct io io;
	struct timer stall; /* bytes wait; or, with input ended, time to look whether it is gone */
	struct buf out;
	struct query *query;
};

struct answers {
	struct loop *loop;
	struct store *store;
	struct answer *list, **tail; /* in the order of their next turns */
	size_t n;
	struct idle work;
};

static void leave(struct answer *w)
{
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		w->all->tail = w->prev;
}

static void queue_up(struct answer *w)
{
	w->next = NULL;
	w->prev = w->all->tail;
	*w->prev = w;
	w->all->tail = &w->next;
}

static void answer_free(struct answer *w)
{
	io_stop(&w->io);
	timer_stop(&w->stall);
	cleanup_close(&w->fd);
	buf_release(&w->out);
	(void)query_free(w->query);
	leave(w);
	w->all->n--;
	free(w);
}

/* ---- sending ---- */

static bool is_gone(const struct answer *w)
{
	struct pollfd p = { .fd = w->fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void on_stall(struct timer *t)
{
	struct answer *w = container_of(t, struct answer, stall);

	if (buf_len(&w->out) || is_gone(w))
		answer_free(w);
	else if (w->input_ended)
		timer_start(&w->stall, w->all->loop, GONE_US, on_stall);
}

/* Sends what the reader takes; false: there is no reader any more, and w is freed. */
static bool flush(struct answer *w)
{
	bool moved = false;

	while (buf_len(&w->out)) {
		struct slice s = buf_slice(&w->out);
		ssize_t n = send(w->fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			answer_free(w);
			return false;
		}
		buf_consume(&w->out, (size_t)n);
		moved = true;
	}
	if (buf_len(&w->out) == 0 && w->state == ENDING) {
		answer_free(w);
		return false;
	}
	if (buf_len(&w->out) == 0 && !w->input_ended)
		timer_stop(&w->stall);
	else if (moved || !timer_is_running(&w->stall))
		timer_start(&w->stall, w->all->loop, ANSWERS_STALL_US, on_stall);
	io_want(&w->io, (buf_len(&w->out) ? IO_WRITE : 0) | (w->input_ended ? 0 : IO_READ));
	return true;
}

/* ---- making ---- */

static void on_idle(struct idle *i);

static bool wants_work(const struct answer *w)
{
	return w->state == MAKING && buf_len(&w->out) < OUT_LOW;
}

static void arm(struct answers *a)
{
	for (struct answer *w = a->list; w; w = w->next) {
		if (wants_work(w)) {
			idle_arm(&a->work, a->loop, on_idle);
			return;
		}
	}
	idle_disarm(&a->work);
}

static void fail(struct answer *w, const char *reason, const char *message)
{
	w->state = ENDING;
	if (query_put_error(&w->out, reason, message) < 0)
		answer_free(w);
	else
		(void)flush(w);
}

static void step(struct answer *w)
{
	int r = query_step(w->query, w->all->store, &w->out);

	if (r == -EUCLEAN)
		fail(w, "unavailable",
		     "audit database: it is damaged, or was just replaced by a new one");
	else if (r < 0)
		fail(w, "unavailable", "audit database: it cannot be read at the moment");
	if (r < 0)
		return;
	w->state = r == QUERY_ENDED ? ENDING : r == QUERY_WAITS ? WAITING : MAKING;
	(void)flush(w);
}

/* One slice for one reader, so that what wakes the loop never waits for more than that. */
static void on_idle(struct idle *i)
{
	struct answers *a = container_of(i, struct answers, work);
	struct answer *w = a->list;

	while (w && !wants_work(w))
		w = w->next;
	if (w) {
		leave(w);
		queue_up(w);
		step(w);
	}
	arm(a);
}

/* ---- the reader ---- */

static void on_ready(struct io *io, int events)
{
	struct answer *w = container_of(io, struct answer, io);
	struct answers *a = w->all;
	char byte;
	ssize_t n;

	if (events & IO_READ) {
		n = recv(w->fd, &byte, 1, MSG_DONTWAIT);
		if (n > 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
		    (n == 0 && is_gone(w))) {
			answer_free(w);
			arm(a);
			return;
		}
		w->input_ended |= n == 0;
	}
	(void)flush(w);
	arm(a);
}

/* Those whose end the loop has yet to tell us. */
static void drop_gone(struct answers *a)
{
	struct answer *next;

	for (struct answer *w = a->list; w; w = next) {
		next = w->next;
		if (is_gone(w))
			answer_free(w);
	}
}

void answers_add(struct answers *a, int fd, struct slice request)
{
	struct query_error e = { .reason = "failed", .message = "out of memory" };
	struct answer *w = calloc(1, sizeof(*w));

	if (!w) {
		(void)close(fd);
		return;
	}
	if (a->n >= ANSWERS_MAX)
		drop_gone(a);
	w->all = a;
	w->fd = fd;
	buf_init(&w->out, OUT_MAX);
	queue_up(w);
	a->n++;
	io_start(&w->io, a->loop, fd, IO_READ, on_ready);
	if (a->n > ANSWERS_MAX)
		fail(w, "busy", "too many readers of the audit log at once");
	else if (query_new(request, &e, &w->query) < 0)
		fail(w, e.reason, e.message);
	arm(a);
}

void answers_wake(struct answers *a)
{
	for (struct answer *w = a->list; w; w = w->next)
		if (w->state == WAITING)
			w->state = MAKING;
	arm(a);
}

int answers_new(struct loop *l, struct store *s, struct answers **ret)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->loop = l;
	a->store = s;
	a->tail = &a->list;
	*ret = a;
	return 0;
}

struct answers *answers_free(struct answers *a)
{
	if (!a)
		return NULL;
	while (a->list)
		answer_free(a->list);
	idle_disarm(&a->work);
	free(a);
	return NULL;
}
