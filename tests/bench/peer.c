/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of connect.c and blocks.c: takes any TCP connection and any datagram, throws away
 * what comes and answers one byte to each 64 KiB of a connection. Prints "ready".
 *
 *   peer IPV4 PORT
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK  65536u
#define FD_MAX 65536

static size_t got[FD_MAX]; /* of a connection, modulo BLOCK */

static int watch(int epoll, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void accept_all(int epoll, int listener)
{
	int one = 1, fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fd < FD_MAX && watch(epoll, fd) == 0)
			got[fd] = 0;
		else
			(void)close(fd);
	}
}

static void serve(int fd)
{
	static char buf[4 * BLOCK], answers[4];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	size_t whole;

	if (n <= 0) {
		(void)close(fd);
		return;
	}
	got[fd] += (size_t)n;
	whole = got[fd] / BLOCK;
	got[fd] %= BLOCK;
	while (whole) {
		size_t some = whole < sizeof(answers) ? whole : sizeof(answers);

		(void)send(fd, answers, some, MSG_NOSIGNAL);
		whole -= some;
	}
}

static int open_socket(const struct sockaddr_in *at, int type)
{
	int one = 1, fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 4096) < 0))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event events[64];
	int listener, datagrams, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (argc != 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1) {
		(void)fprintf(stderr, "usage: peer IPV4 PORT\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	listener = open_socket(&at, SOCK_STREAM);
	datagrams =
		open_socket(&at, SOCK_DGRAM); /* never read: its buffer is full, the rest is lost */
	if (listener < 0 || datagrams < 0 || watch(epoll, listener) < 0) {
		perror("peer");
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(epoll, listener);
			else
				serve(events[i].data.fd);
		}
	}
}
