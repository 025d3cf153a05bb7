/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/conns.h"

#include "proxy/conn.h"
#include "proxy/state.h"

void conns_init(struct conns *cs)
{
	TAILQ_INIT(&cs->idle);
	TAILQ_INIT(&cs->busy);
	TAILQ_INIT(&cs->dead);
}

bool conns_make_room(struct worker *w)
{
	if (w->conns.n < w->set.connections)
		return true;
	if (TAILQ_EMPTY(&w->conns.idle))
		return false;
	conn_close(TAILQ_FIRST(&w->conns.idle), false);
	return true;
}

bool conns_make_room_in(struct worker *w, struct share *s)
{
	if (share_may_connect(w, s))
		return true;
	if (TAILQ_EMPTY(&s->idle))
		return false;
	conn_close(TAILQ_FIRST(&s->idle), false);
	return true;
}

void conns_close_idle(struct worker *w)
{
	while (!TAILQ_EMPTY(&w->conns.idle))
		conn_close(TAILQ_FIRST(&w->conns.idle), false);
}

void conns_close_all(struct worker *w)
{
	conns_close_idle(w);
	while (!TAILQ_EMPTY(&w->conns.busy))
		conn_close(TAILQ_FIRST(&w->conns.busy), true);
}

void conns_bury(struct worker *w)
{
	struct conn *c;

	later_disarm(&w->conns.bury);
	while ((c = TAILQ_FIRST(&w->conns.dead))) {
		TAILQ_REMOVE(&w->conns.dead, c, link);
		c = conn_bury(c);
	}
}

static void on_bury(struct later *l)
{
	conns_bury(container_of(l, struct worker, conns.bury));
}

static struct conn_list *list_of(struct conn *c)
{
	return c->is_idle ? &c->w->conns.idle : &c->w->conns.busy;
}

void conns_add(struct conn *c)
{
	TAILQ_INSERT_TAIL(list_of(c), c, link);
	c->w->conns.n++;
	share_add_conn(c->w, c->caller.share);
}

void conns_remove(struct conn *c)
{
	struct worker *w = c->w;

	conns_set_idle(c, false);
	TAILQ_REMOVE(list_of(c), c, link);
	share_remove_conn(w, c->caller.share);
	TAILQ_INSERT_TAIL(&w->conns.dead, c, link);
	later_arm(&w->conns.bury, w->loop, on_bury);
	w->conns.n--;
	if (timer_is_running(&w->stop) && w->conns.n == 0)
		timer_start(&w->stop, w->loop, 0, w->stop.on_time);
}

void conns_set_idle(struct conn *c, bool idle)
{
	if (c->is_idle == idle)
		return;
	TAILQ_REMOVE(list_of(c), c, link);
	c->is_idle = idle;
	TAILQ_INSERT_TAIL(list_of(c), c, link);
	if (idle)
		TAILQ_INSERT_TAIL(&c->caller.share->idle, c, in_share);
	else
		TAILQ_REMOVE(&c->caller.share->idle, c, in_share);
}
