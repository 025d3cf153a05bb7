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

void conns_on_bury(struct later *l)
{
	struct worker *w = container_of(l, struct worker, conns.bury);

	conns_bury(w);
	if (w->stopping && w->conns.n == 0)
		loop_stop(w->loop);
}
