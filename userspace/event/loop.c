/* SPDX-License-Identifier: Apache-2.0 */
#include "event/loop.h"

#include <stddef.h>

#include "base/clock.h"

struct loop {
	struct ev_loop *ev;
	ev_prepare prepare; /* runs laters */
	ev_idle spin; /* keeps the loop from sleeping while some wait for the next turn */
	uint64_t turn;
	struct laters laters[2];
	unsigned at; /* of those that run at the end of this turn; the others in the next */
	bool in_callback;
	uint64_t now_us; /* in a callback: 0 until somebody asks */
};

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents);
static void on_spin(struct ev_loop *ev, ev_idle *w, int revents);

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!l->ev) {
		free(l);
		return NULL;
	}
	l->turn = 1;
	TAILQ_INIT(&l->laters[0]);
	TAILQ_INIT(&l->laters[1]);
	ev_idle_init(&l->spin, on_spin);
	ev_prepare_init(&l->prepare, on_prepare);
	ev_prepare_start(l->ev, &l->prepare);
	ev_unref(l->ev); /* by itself it is no reason to run on */
	return l;
}

struct loop *loop_free(struct loop *l)
{
	if (l) {
		ev_loop_destroy(l->ev);
		free(l);
	}
	return NULL;
}

void loop_run(struct loop *l)
{
	(void)ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}

/* libev keeps no accessor for its monotonic clock. */
uint64_t loop_now_us(struct loop *l)
{
	if (!l->in_callback)
		return clock_mono_us();
	if (!l->now_us)
		l->now_us = clock_mono_us();
	return l->now_us;
}

static void enter(struct loop *l)
{
	l->in_callback = true;
	l->now_us = 0;
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	struct io *io = container_of(w, struct io, ev);
	struct loop *l = io->loop;

	(void)ev;
	enter(l);
	/* EV_ERROR: the fd is bad; let the owner's read or write find out. */
	io->on_ready(io, revents & EV_ERROR ? IO_READ | IO_WRITE : revents & (IO_READ | IO_WRITE));
	l->in_callback = false;
}

void io_start(struct io *io, struct loop *l, int fd, int events, io_fn on_ready)
{
	io->loop = l;
	io->on_ready = on_ready;
	ev_io_init(&io->ev, on_io, fd, events);
	if (events)
		ev_io_start(l->ev, &io->ev);
}

void io_want(struct io *io, int events)
{
	int now = ev_is_active(&io->ev) ? io->ev.events & (IO_READ | IO_WRITE) : 0;

	if (now == events)
		return;
	if (now)
		ev_io_stop(io->loop->ev, &io->ev);
	if (events) {
		ev_io_modify(&io->ev, events);
		ev_io_start(io->loop->ev, &io->ev);
	}
}

void io_stop(struct io *io)
{
	if (io->loop)
		ev_io_stop(io->loop->ev, &io->ev);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct timer *t = container_of(w, struct timer, ev);
	struct loop *l = t->loop;

	(void)ev;
	(void)revents;
	enter(l);
	t->on_time(t);
	l->in_callback = false;
}

void timer_start(struct timer *t, struct loop *l, uint64_t delay_us, timer_fn on_time)
{
	if (t->loop)
		ev_timer_stop(l->ev, &t->ev);
	t->loop = l;
	t->on_time = on_time;
	ev_timer_init(&t->ev, on_timer, (double)delay_us / 1e6, 0.);
	ev_timer_start(l->ev, &t->ev);
}

void timer_stop(struct timer *t)
{
	if (t->loop)
		ev_timer_stop(t->loop->ev, &t->ev);
}

bool timer_is_running(const struct timer *t)
{
	return t->loop && ev_is_active((ev_timer *)(uintptr_t)&t->ev);
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct sig *s = container_of(w, struct sig, ev);
	struct loop *l = s->loop;

	(void)ev;
	(void)revents;
	enter(l);
	s->on_signal(s, w->signum);
	l->in_callback = false;
}

void sig_start(struct sig *s, struct loop *l, int signo, sig_fn fn)
{
	s->loop = l;
	s->on_signal = fn;
	ev_signal_init(&s->ev, on_signal, signo);
	ev_signal_start(l->ev, &s->ev);
}

void sig_stop(struct sig *s)
{
	if (s->loop)
		ev_signal_stop(s->loop->ev, &s->ev);
}

static void on_spin(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)revents;
	ev_idle_stop(ev, w);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *l = container_of(w, struct loop, prepare);
	struct later *later;

	(void)revents;
	while ((later = TAILQ_FIRST(&l->laters[l->at]))) {
		later_disarm(later);
		later->ran = l->turn;
		enter(l);
		later->on_later(later);
		l->in_callback = false;
	}
	l->at = !l->at;
	l->turn++;
	if (!TAILQ_EMPTY(&l->laters[l->at]))
		ev_idle_start(ev, &l->spin);
}

void later_arm(struct later *w, struct loop *l, later_fn fn)
{
	if (w->list)
		return;
	w->on_later = fn;
	w->list = &l->laters[w->ran == l->turn ? !l->at : l->at];
	TAILQ_INSERT_TAIL(w->list, w, link);
}

void later_disarm(struct later *w)
{
	if (w->list)
		TAILQ_REMOVE(w->list, w, link);
	w->list = NULL;
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	struct idle *i = container_of(w, struct idle, ev);
	struct loop *l = i->loop;

	(void)ev;
	(void)revents;
	enter(l);
	i->on_idle(i);
	l->in_callback = false;
}

void idle_arm(struct idle *w, struct loop *l, idle_fn fn)
{
	if (w->loop && ev_is_active(&w->ev))
		return;
	w->loop = l;
	w->on_idle = fn;
	ev_idle_init(&w->ev, on_idle);
	ev_idle_start(l->ev, &w->ev);
}

void idle_disarm(struct idle *w)
{
	if (w->loop)
		ev_idle_stop(w->loop->ev, &w->ev);
}
