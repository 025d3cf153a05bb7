/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: readiness of fds, timers, signals, idle work. A thin face over libev, so that
 * nothing else names it. Level-triggered. One loop a process, no threads.
 *
 * Watchers are embedded in their owner's struct and zero-initialised; stopping one that is not
 * running is fine. A callback may stop or free any watcher, its own included, as its last act.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"

struct loop; /* opaque */

struct loop *loop_new(void) _must_check_; /* NULL: out of memory or fds */
struct loop *loop_free(struct loop *l); /* returns NULL */
void loop_run(struct loop *l); /* until loop_stop() */
void loop_stop(struct loop *l);
/* CLOCK_MONOTONIC, µs. In a callback of the loop, the time at which it first asked. */
uint64_t loop_now_us(struct loop *l);

enum io_events { IO_READ = EV_READ, IO_WRITE = EV_WRITE };

struct io;
typedef void (*io_fn)(struct io *io, int events);
struct io {
	ev_io ev; /* private */
	struct loop *loop;
	io_fn on_ready;
};

/* Watches fd for `events` (0: registered, but nothing yet). */
void io_start(struct io *io, struct loop *l, int fd, int events, io_fn on_ready);
/* Changes what is waited for; cheap when nothing changes. */
void io_want(struct io *io, int events);
void io_stop(struct io *io);
static inline int io_fd(const struct io *io)
{
	return io->ev.fd;
}

struct timer;
typedef void (*timer_fn)(struct timer *t);
struct timer {
	ev_timer ev; /* private */
	struct loop *loop;
	timer_fn on_time;
};

/* Fires once, delay_us from now; calling it again moves it. */
void timer_start(struct timer *t, struct loop *l, uint64_t delay_us, timer_fn on_time);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);

struct sig;
typedef void (*sig_fn)(struct sig *s, int signo);
struct sig {
	ev_signal ev; /* private */
	struct loop *loop;
	sig_fn on_signal;
};
void sig_start(struct sig *s, struct loop *l, int signo, sig_fn on_signal);
void sig_stop(struct sig *s);

/* Runs at the end of the loop's turn in which it is armed, before the loop sleeps, in the order of
 * arming: for batching (many writes that wake their readers once). Arm it again each time; what has
 * run in a turn runs again in the next, and until then the loop does not sleep. */
struct later;
typedef void (*later_fn)(struct later *w);
TAILQ_HEAD(laters, later);
struct later {
	TAILQ_ENTRY(later) link; /* private, as all of it */
	struct laters *list; /* that it is in; NULL: not armed */
	uint64_t ran; /* turn */
	later_fn on_later;
};
void later_arm(struct later *w, struct loop *l, later_fn on_later);
void later_disarm(struct later *w);

/* Runs once per iteration when nothing else is ready, until disarmed: for long work in slices. */
struct idle;
typedef void (*idle_fn)(struct idle *w);
struct idle {
	ev_idle ev; /* private */
	struct loop *loop;
	idle_fn on_idle;
};
void idle_arm(struct idle *w, struct loop *l, idle_fn on_idle);
void idle_disarm(struct idle *w);
