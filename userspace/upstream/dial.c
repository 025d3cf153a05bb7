/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dial.h"

#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "upstream/address.h"

#define STAGGER_US 250000u /* RFC 8305 section 5 */

static void go_on(struct dial *d);

void dial_init(struct dial *d, struct loop *l, struct stock *s, dial_fn fn)
{
	*d = (struct dial){ .loop = l, .stock = s, .fn = fn };
	for (unsigned i = 0; i < DIAL_PARALLEL; i++)
		d->attempts[i] = (struct dial_attempt){ .dial = d, .fd = -EBADF };
}

static void drop(struct dial_attempt *a)
{
	if (a->fd < 0)
		return;
	io_stop(&a->io);
	(void)close(TAKE_FD(a->fd));
}

void dial_stop(struct dial *d)
{
	stock_cancel(&d->wait);
	timer_stop(&d->stagger);
	for (unsigned i = 0; i < DIAL_PARALLEL; i++)
		drop(&d->attempts[i]);
}

static bool is_connecting(const struct dial *d)
{
	for (unsigned i = 0; i < DIAL_PARALLEL; i++)
		if (d->attempts[i].fd >= 0)
			return true;
	return false;
}

static struct dial_attempt *free_attempt(struct dial *d)
{
	for (unsigned i = 0; i < DIAL_PARALLEL; i++)
		if (d->attempts[i].fd < 0)
			return &d->attempts[i];
	return NULL;
}

void dial_set_options(int fd)
{
	const int on = 1, idle_s = 60, interval_s = 10, count = 3;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void on_connected(struct dial_attempt *a)
{
	struct dial *d = a->dial;
	int fd = a->fd;

	io_stop(&a->io);
	d->family = a->family;
	a->fd = -EBADF;
	dial_stop(d);
	dial_set_options(fd);
	d->fn(d, fd);
}

static void on_ready(struct io *io, int events)
{
	struct dial_attempt *a = container_of(io, struct dial_attempt, io);
	struct dial *d = a->dial;
	int error = 0;
	socklen_t n = sizeof(error);

	(void)events;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error == 0) {
		on_connected(a);
		return;
	}
	d->error = -error;
	drop(a);
	go_on(d);
}

static void on_stagger(struct timer *t)
{
	go_on(container_of(t, struct dial, stagger));
}

/* Errors of the route: connect() sent nothing, so the socket is as good as new. */
static bool is_unused(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL;
}

/* Whether the connection is under way. */
static bool try_next(struct dial *d, struct dial_attempt *a, int fd)
{
	const struct eg_addr *to = &d->addrs[d->next++];
	struct sockaddr_storage ss;
	socklen_t n = address_sockaddr(to, d->port, &ss);

	a->family = ss.ss_family;
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		d->error = -errno;
		if (is_unused(errno))
			stock_return(d->stock, a->family, fd);
		else
			(void)close(fd);
		return false;
	}
	a->fd = fd;
	io_start(&a->io, d->loop, fd, IO_WRITE, on_ready);
	return true;
}

static void on_socket(struct stock_wait *w, int fd)
{
	struct dial *d = container_of(w, struct dial, wait);

	if (fd < 0) {
		d->error = fd;
		d->next++;
	} else if (try_next(d, free_attempt(d), fd) && d->next < d->n) {
		timer_start(&d->stagger, d->loop, STAGGER_US, on_stagger);
		return;
	}
	go_on(d);
}

/* Starts on addresses until one is under way, a socket must be waited for, or none is left. */
static void go_on(struct dial *d)
{
	timer_stop(&d->stagger);
	while (d->next < d->n && !d->wait.shelf) {
		struct dial_attempt *a = free_attempt(d);
		int family = address_is4(&d->addrs[d->next]) ? AF_INET : AF_INET6;
		int fd;

		if (!a)
			return; /* one of those under way goes on when it fails */
		fd = stock_take(d->stock, family);
		if (fd < 0) {
			stock_await(d->stock, family, &d->wait, on_socket);
			return;
		}
		if (try_next(d, a, fd)) {
			if (d->next < d->n)
				timer_start(&d->stagger, d->loop, STAGGER_US, on_stagger);
			return;
		}
	}
	if (d->next == d->n && !d->wait.shelf && !is_connecting(d))
		d->fn(d, d->error);
}

void dial_start(struct dial *d)
{
	d->next = 0;
	d->error = -ENETUNREACH;
	go_on(d);
}
