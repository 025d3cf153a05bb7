/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/children.h"

struct watched {
	struct watchdog *dog;
	size_t i; /* children_at() */
	unsigned incarnation; /* that was asked */
	uint64_t asked_us; /* CLOCK_MONOTONIC */
	bool asked;
};

struct watchdog {
	struct children *children;
	struct loop *loop;
	struct timer timer;
	uint64_t every_us, patience_us;
	struct watched v[];
};

static void on_answer(void *ctx, struct msg *m)
{
	struct watched *w = ctx;
	struct child *worker = children_at(w->dog->children, w->i);

	w->asked = false;
	/* No answer because it has died, or its channel has, is not our business. */
	if (m || clock_mono_us() - w->asked_us < w->dog->patience_us || child_pid(worker) == 0 ||
	    child_restarts(worker) != w->incarnation || child_state(worker) != CHILD_READY)
		return;
	log_error("worker %u does not answer: it is ended: pid=%d", child_index(worker),
		  (int)child_pid(worker));
	child_kill(worker);
}

static void on_time(struct timer *t)
{
	static const struct eg_conns question = { .want_rows = 0 };
	struct watchdog *dog = container_of(t, struct watchdog, timer);

	for (size_t i = 0; i < children_count(dog->children); i++) {
		struct child *worker = children_at(dog->children, i);
		struct watched *w = &dog->v[i];

		if (child_role(worker) != EG_WORKER || w->asked ||
		    child_state(worker) != CHILD_READY || !child_channel(worker))
			continue;
		*w = (struct watched){ dog, i, child_restarts(worker), clock_mono_us(), true };
		if (channel_call(child_channel(worker), EG_MSG_conns, &question, sizeof(question),
				 NULL, 0, NULL, 0, dog->patience_us, on_answer, w) < 0)
			w->asked = false;
	}
	timer_start(t, dog->loop, dog->every_us, on_time);
}

int watchdog_new(struct loop *l, struct children *c, uint64_t every_us, uint64_t patience_us,
		 struct watchdog **ret)
{
	struct watchdog *dog = calloc(1, sizeof(*dog) + children_count(c) * sizeof(dog->v[0]));

	if (!dog)
		return -ENOMEM;
	dog->children = c;
	dog->loop = l;
	dog->every_us = every_us;
	dog->patience_us = patience_us;
	timer_start(&dog->timer, l, every_us, on_time);
	*ret = dog;
	return 0;
}

struct watchdog *watchdog_free(struct watchdog *dog)
{
	if (dog)
		timer_stop(&dog->timer);
	free(dog);
	return NULL;
}
