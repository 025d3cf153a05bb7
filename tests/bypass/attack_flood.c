/* SPDX-License-Identifier: Apache-2.0 */
/* Very many connections that are dropped at once, or kept half open. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define DROPPED 20000
#define HELD	18000 /* more than the kernel keeps records for in handshakes */

static int open_one(const struct target *t, int flags)
{
	int fd = socket(t->family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		give_up("socket");
	return fd;
}

/* A reset each, before or after the other side has accepted it; every other one says something. */
static int flood(const struct target *t)
{
	struct linger now = { .l_onoff = 1 };
	int failed = 0;

	for (int i = 0; i < DROPPED; i++) {
		int fd = open_one(t, 0);

		if (connect(fd, &t->to.sa, t->n) < 0)
			failed = -errno;
		else if (i % 2)
			(void)!send(fd, "\x16\x03\x01\x02", 4, MSG_NOSIGNAL);
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		(void)close(fd);
	}
	return failed;
}

/* Begins more handshakes than the listener's queue takes, says so, and keeps them until its input
 * ends. */
static int hold(const struct target *t)
{
	struct rlimit files = { HELD + 100, HELD + 100 };
	char byte;

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		give_up("RLIMIT_NOFILE");
	for (int i = 0; i < HELD; i++)
		if (connect(open_one(t, SOCK_NONBLOCK), &t->to.sa, t->n) < 0 &&
		    errno != EINPROGRESS)
			give_up("connect");
	puts("held");
	(void)fflush(stdout);
	return saw(read(STDIN_FILENO, &byte, 1));
}

const struct attack attacks_flood[] = {
	{ "flood", flood },
	{ "flood-held", hold },
	{ NULL, NULL },
};
