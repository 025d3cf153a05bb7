/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/stock.h"

#include <stddef.h>
#include <sys/socket.h>

static struct stock_shelf *shelf_of(struct stock *s, int family)
{
	return &s->shelves[family == AF_INET6];
}

/* One question at a time: the next give answers it, with however many. */
static void ask(struct stock *s, struct stock_shelf *shelf)
{
	if (shelf->asking)
		return;
	shelf->asking = true;
	s->on_need(s->ctx, shelf->family, STOCK_MAX - shelf->n);
}

static void on_prefill(struct later *w)
{
	struct stock *s = container_of(w, struct stock, prefill);

	for (unsigned i = 0; i < 2; i++)
		if (s->shelves[i].n == 0)
			ask(s, &s->shelves[i]);
}

void stock_init(struct stock *s, struct loop *l, stock_need_fn on_need, void *ctx)
{
	*s = (struct stock){ .on_need = on_need, .ctx = ctx };
	s->shelves[0].family = AF_INET;
	s->shelves[1].family = AF_INET6;
	for (unsigned i = 0; i < 2; i++)
		s->shelves[i].last = &s->shelves[i].first;
	later_arm(&s->prefill, l, on_prefill);
}

void stock_done(struct stock *s)
{
	later_disarm(&s->prefill);
	for (unsigned i = 0; i < 2; i++)
		while (s->shelves[i].n)
			(void)close(s->shelves[i].fds[--s->shelves[i].n]);
}

int stock_take(struct stock *s, int family)
{
	struct stock_shelf *shelf = shelf_of(s, family);

	if (shelf->n <= STOCK_LOW)
		ask(s, shelf);
	return shelf->n ? shelf->fds[--shelf->n] : -EAGAIN;
}

void stock_await(struct stock *s, int family, struct stock_wait *w, stock_fn fn)
{
	struct stock_shelf *shelf = shelf_of(s, family);

	*w = (struct stock_wait){ .at = shelf->last, .shelf = shelf, .fn = fn };
	*shelf->last = w;
	shelf->last = &w->next;
	ask(s, shelf);
}

void stock_cancel(struct stock_wait *w)
{
	if (!w->shelf)
		return;
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	else
		w->shelf->last = w->at;
	w->shelf = NULL;
}

static void tell(struct stock_wait *w, int fd)
{
	stock_cancel(w);
	w->fn(w, fd);
}

/* Those who wait get sockets first; what does not fit is closed. */
static void put(struct stock_shelf *shelf, int fd)
{
	if (shelf->first)
		tell(shelf->first, fd);
	else if (shelf->n < STOCK_MAX)
		shelf->fds[shelf->n++] = fd;
	else
		(void)close(fd);
}

/* Those who wait now; who comes meanwhile stands behind them and asks anew. */
static void fail(struct stock_shelf *shelf)
{
	unsigned waiting = 0;

	for (struct stock_wait *w = shelf->first; w; w = w->next)
		waiting++;
	while (waiting-- && shelf->first)
		tell(shelf->first, -ENOBUFS);
}

void stock_give(struct stock *s, int family, const int *fds, unsigned n)
{
	struct stock_shelf *shelf = shelf_of(s, family);

	shelf->asking = false;
	if (n == 0)
		fail(shelf);
	for (unsigned i = 0; i < n; i++)
		put(shelf, fds[i]);
	if (shelf->first)
		ask(s, shelf);
}

void stock_return(struct stock *s, int family, int fd)
{
	put(shelf_of(s, family), fd);
}
