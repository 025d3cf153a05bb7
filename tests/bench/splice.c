/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain splice(2) relay: what moving bytes between two sockets costs at least. One thread, epoll,
 * a pipe a direction. It looks at nothing and must never be used for anything else.
 *
 *   splice LISTEN_PORT IPV4 PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 65536u

struct pair;

/* An end, and the pipe of what was read from it. */
struct end {
	struct pair *pair;
	struct end *other;
	int fd, pipe[2];
	size_t held;
};

struct pair {
	struct end client, upstream;
	struct pair *next_dead;
	int dead;
};

struct relay {
	struct sockaddr_in to;
	int listener, epoll;
	struct pair *dead; /* freed after the batch of events that may still name them */
};

static int watch(const struct relay *r, int fd, void *who)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP,
				  .data.ptr = who };

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void end_free(const struct end *e)
{
	int fds[] = { e->fd, e->pipe[0], e->pipe[1] };

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void pair_end(struct relay *r, struct pair *p)
{
	if (p->dead)
		return;
	p->dead = 1;
	p->next_dead = r->dead;
	r->dead = p;
}

static void bury(struct relay *r)
{
	while (r->dead) {
		struct pair *p = r->dead;

		r->dead = p->next_dead;
		end_free(&p->client);
		end_free(&p->upstream);
		free(p);
	}
}

static int dial(const struct relay *r)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    (connect(fd, (const struct sockaddr *)&r->to, sizeof(r->to)) < 0 &&
	     errno != EINPROGRESS)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void accept_one(struct relay *r, int fd)
{
	struct pair *p = calloc(1, sizeof(*p));
	int one = 1;

	if (!p) {
		(void)close(fd);
		return;
	}
	p->client = (struct end){ p, &p->upstream, fd, { -1, -1 }, 0 };
	p->upstream = (struct end){ p, &p->client, dial(r), { -1, -1 }, 0 };
	if (p->upstream.fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    pipe2(p->client.pipe, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    pipe2(p->upstream.pipe, O_CLOEXEC | O_NONBLOCK) < 0 || watch(r, fd, &p->client) < 0 ||
	    watch(r, p->upstream.fd, &p->upstream) < 0)
		pair_end(r, p);
}

/* Moves bytes of one direction as far as they go; -1: it is over. */
static int pump(struct end *from)
{
	for (;;) {
		ssize_t n;

		if (from->held == 0) {
			n = splice(from->fd, NULL, from->pipe[1], NULL, PIECE,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n <= 0)
				return n < 0 && errno == EAGAIN ? 0 : -1;
			from->held = (size_t)n;
		}
		n = splice(from->pipe[0], NULL, from->other->fd, NULL, from->held,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? 0 : -1;
		from->held -= (size_t)n;
	}
}

static void serve(struct relay *r, struct end *e)
{
	if (!e->pair->dead && (pump(e) < 0 || pump(e->other) < 0))
		pair_end(r, e->pair);
}

static int open_listener(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1024) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[128];
	struct relay r = { .to.sin_family = AF_INET };

	if (argc != 4 || inet_pton(AF_INET, argv[2], &r.to.sin_addr) != 1) {
		(void)fprintf(stderr, "usage: splice LISTEN_PORT IPV4 PORT\n");
		return 2;
	}
	r.to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	r.listener = open_listener(argv[1]);
	if (r.epoll < 0 || r.listener < 0 || watch(&r, r.listener, NULL) < 0) {
		perror("splice");
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		int n = epoll_wait(r.epoll, events, 128, -1);

		for (int i = 0; i < n; i++) {
			int fd;

			if (events[i].data.ptr) {
				serve(&r, events[i].data.ptr);
				continue;
			}
			while ((fd = accept4(r.listener, NULL, NULL,
					     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
				accept_one(&r, fd);
		}
		bury(&r);
	}
}
