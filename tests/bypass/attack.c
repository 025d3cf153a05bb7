/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one attack: attack NAME TO PORT FREE OWN DEVICE GATEWAY [CGROUP]. Prints what it saw as an
 * errno's name, or "ok". `attack list` prints the names. See attack.h.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000

static const struct attack *const tables[] = {
	attacks_stream, attacks_option, attacks_datagram, attacks_lite,
	attacks_raw,	attacks_route,	attacks_frame,	  attacks_uring,
	attacks_passed, attacks_race,	attacks_flood,
};

void give_up(const char *what)
{
	perror(what);
	exit(3);
}

int saw(long result)
{
	return result < 0 ? -errno : 0;
}

int make_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	if (fd >= 0)
		return fd;
	printf("%s\n", strerrorname_np(errno));
	exit(0);
}

int talk_on(int fd, int r)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t n = sizeof(error);
	char byte;

	if (r < 0 && errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, WAIT_MS) != 1)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error)
		return -error;
	if (send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return -errno;
	p.events = POLLIN;
	(void)poll(&p, 1, WAIT_MS);
	(void)!recv(fd, &byte, 1, MSG_DONTWAIT);
	return 0;
}

int talk(int fd, const struct target *t)
{
	return talk_on(fd, connect(fd, &t->to.sa, t->n));
}

static uint16_t read_port(const char *text)
{
	char *end = NULL;
	unsigned long port = strtoul(text, &end, 10);

	if (*text && !*end && port < 65536)
		return htons((uint16_t)port);
	fprintf(stderr, "no port: %s\n", text);
	exit(2);
}

static void read_address(const char *text, const char *port, int family, union address *ret)
{
	*ret = (union address){ .sa = { .sa_family = (sa_family_t)family } };
	if (family == AF_INET) {
		ret->v4.sin_port = read_port(port);
		if (inet_pton(family, text, &ret->v4.sin_addr) == 1)
			return;
	} else {
		ret->v6.sin6_port = read_port(port);
		if (inet_pton(family, text, &ret->v6.sin6_addr) == 1)
			return;
	}
	fprintf(stderr, "no address: %s\n", text);
	exit(2);
}

static const struct attack *find(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct attack *a = tables[i]; a->name; a++)
			if (strcmp(a->name, name) == 0)
				return a;
	return NULL;
}

static int list(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct attack *a = tables[i]; a->name; a++)
			puts(a->name);
	return 0;
}

int main(int argc, char **argv)
{
	struct target t = { 0 };
	const struct attack *a;
	int r;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list();
	if (argc < 8 || !(a = find(argv[1])))
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	t.family = strchr(argv[2], ':') ? AF_INET6 : AF_INET;
	t.n = t.family == AF_INET ? sizeof(t.to.v4) : sizeof(t.to.v6);
	read_address(argv[2], argv[3], t.family, &t.to);
	read_address(argv[4], "443", t.family, &t.free);
	read_address(argv[5], "0", t.family, &t.own);
	t.device = argv[6];
	t.gateway = argv[7];
	t.cgroup = argc > 8 ? argv[8] : NULL;
	r = a->run(&t);
	puts(r < 0 ? strerrorname_np(-r) : "ok");
	return 0;
}
