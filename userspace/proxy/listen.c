/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/listen.h"

#include <sys/socket.h>

#include "base/log.h"
#include "dataplane/flow.h"
#include "proxy/conn.h"
#include "proxy/state.h"

#define ACCEPTS_MAX 16 /* a turn */
#define PAUSE_US    100000u /* without fds or memory: others may end meanwhile */

struct listener {
	struct worker *w;
	int fd;
	uint64_t netns; /* cookie */
	struct io io;
	struct timer pause;
	LIST_ENTRY(listener) link;
};

static void take(struct worker *w, int fd)
{
	struct eg_flow flow;
	int r = flow_take(w->flow_fd, fd, &flow);

	if (r == 0 && !(flow.flags & EG_FLOW_KTHREAD)) {
		conn_start(w, fd, &flow);
		return;
	}
	w->count.denied++;
	log_warn_limited("connection without a flow record closed reason=no_flow error=%d", -r);
	cleanup_close(&fd);
}

static void on_pause(struct timer *t)
{
	io_want(&container_of(t, struct listener, pause)->io, IO_READ);
}

static void on_ready(struct io *io, int events)
{
	struct listener *l = container_of(io, struct listener, io);

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(l->w, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn_limited("cannot accept a connection error=%d", errno);
			conns_close_idle(l->w);
			io_want(&l->io, 0);
			timer_start(&l->pause, l->w->loop, PAUSE_US, on_pause);
		}
		return;
	}
}

int listen_add(struct worker *w, int fd, uint64_t netns)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		cleanup_close(&fd);
		return -ENOMEM;
	}
	l->w = w;
	l->fd = fd;
	l->netns = netns;
	LIST_INSERT_HEAD(&w->listeners.all, l, link);
	io_start(&l->io, w->loop, fd, IO_READ, on_ready);
	return 0;
}

static void end(struct listener *l)
{
	LIST_REMOVE(l, link);
	io_stop(&l->io);
	timer_stop(&l->pause);
	cleanup_close(&l->fd);
	free(l);
}

void listen_drop(struct listeners *ls, uint64_t netns)
{
	struct listener *next;

	for (struct listener *l = LIST_FIRST(&ls->all); l; l = next) {
		next = LIST_NEXT(l, link);
		if (l->netns == netns)
			end(l);
	}
}

void listen_close(struct listeners *ls)
{
	struct listener *l;

	while ((l = LIST_FIRST(&ls->all)))
		end(l);
}
