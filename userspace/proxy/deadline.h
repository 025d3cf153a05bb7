/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point in time that moves often and is seldom reached: moving it is a store, not a timer
 * operation. The timer behind it fires when it was first armed for and then waits for the rest.
 */
#pragma once

#include "event/loop.h"

struct deadline;
typedef void (*deadline_fn)(struct deadline *d);
struct deadline {
	struct timer timer;
	uint64_t due_us; /* 0: none */
	uint64_t armed_us; /* when the timer fires; 0: it does not */
	deadline_fn on_due;
};

static inline void deadline_fire(struct timer *t)
{
	struct deadline *d = container_of(t, struct deadline, timer);
	uint64_t now = loop_now_us(t->loop);

	d->armed_us = 0;
	if (!d->due_us)
		return;
	if (d->due_us > now) {
		d->armed_us = d->due_us;
		timer_start(t, t->loop, d->due_us - now, deadline_fire);
		return;
	}
	d->due_us = 0;
	d->on_due(d); /* may free d */
}

static inline void deadline_set(struct deadline *d, struct loop *l, uint64_t now_us,
				uint64_t delay_us, deadline_fn on_due)
{
	d->due_us = now_us + delay_us;
	d->on_due = on_due;
	if (d->armed_us && d->armed_us <= d->due_us)
		return;
	d->armed_us = d->due_us;
	timer_start(&d->timer, l, delay_us, deadline_fire);
}

static inline void deadline_clear(struct deadline *d)
{
	d->due_us = 0;
}

static inline void deadline_stop(struct deadline *d)
{
	d->due_us = d->armed_us = 0;
	timer_stop(&d->timer);
}
