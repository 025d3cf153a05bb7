/* SPDX-License-Identifier: Apache-2.0 */
/* TCP: the ways to begin a connection, and processes that do not look like their parent. */
#include "attack.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MPTCP 262

static int stream(const struct target *t, int flags)
{
	return make_socket(t->family, SOCK_STREAM | flags, 0);
}

static int plain(const struct target *t)
{
	return talk(stream(t, 0), t);
}

static int nonblocking(const struct target *t)
{
	return talk(stream(t, SOCK_NONBLOCK), t);
}

static void *thread(void *arg)
{
	return (void *)(intptr_t)plain(arg);
}

static int threads(const struct target *t)
{
	pthread_t id[4];
	void *r = NULL;
	int worst = 0;

	for (size_t i = 0; i < 4; i++)
		if (pthread_create(&id[i], NULL, thread, (void *)(uintptr_t)t) != 0)
			give_up("pthread_create");
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(id[i], &r);
		worst = (intptr_t)r < 0 ? (int)(intptr_t)r : worst;
	}
	return worst;
}

static int in_child(const struct target *t, pid_t pid)
{
	int status = 0;

	if (pid == 0)
		_exit(-plain(t));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		give_up("child");
	return -WEXITSTATUS(status);
}

static int orphan(const struct target *t)
{
	int r[2], got = 0;

	if (pipe(r) < 0)
		give_up("pipe");
	if (fork() == 0) {
		if (fork() == 0) {
			(void)setsid();
			got = plain(t);
			_exit(write(r[1], &got, sizeof(got)) != sizeof(got));
		}
		_exit(0);
	}
	(void)wait(NULL);
	return read(r[0], &got, sizeof(got)) == sizeof(got) ? got : -EIO;
}

static int with_vfork(const struct target *t)
{
	return in_child(t, vfork());
}

static int tfo_sendto(const struct target *t)
{
	int fd = stream(t, 0);

	return talk_on(fd, sendto(fd, "early", 5, MSG_FASTOPEN, &t->to.sa, t->n) < 0 ? -1 : 0);
}

static int tfo_sendmsg_nonblocking(const struct target *t)
{
	struct iovec v = { .iov_base = (char[]){ "early" }, .iov_len = 5 };
	union address to = t->to;
	struct msghdr m = { .msg_name = &to, .msg_namelen = t->n, .msg_iov = &v, .msg_iovlen = 1 };
	int fd = stream(t, SOCK_NONBLOCK);

	return talk_on(fd, sendmsg(fd, &m, MSG_FASTOPEN) < 0 ? -1 : 0);
}

static int tfo_connect(const struct target *t)
{
	int fd = stream(t, 0), one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) < 0)
		give_up("TCP_FASTOPEN_CONNECT");
	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	if (send(fd, "early", 5, MSG_NOSIGNAL) < 0)
		return -errno;
	return talk_on(fd, 0);
}

static int mptcp(const struct target *t)
{
	return talk(make_socket(t->family, SOCK_STREAM, MPTCP), t);
}

/* What an earlier connect() of this socket was allowed counts for nothing. */
static int reconnect(const struct target *t)
{
	struct sockaddr_in6 none = { .sin6_family = AF_UNSPEC };
	int fd = stream(t, 0);

	if (connect(fd, &t->free.sa, t->n) < 0 ||
	    connect(fd, (struct sockaddr *)&none, sizeof(none)) < 0)
		give_up("connect elsewhere first");
	return talk(fd, t);
}

/* ... and so does one that was redirected: its record is not used again. */
static int twice(const struct target *t)
{
	struct sockaddr_in6 none = { .sin6_family = AF_UNSPEC };
	int fd = stream(t, 0), r = talk(fd, t);

	if (r < 0 || connect(fd, (struct sockaddr *)&none, sizeof(none)) < 0)
		return r < 0 ? r : -errno;
	return talk(fd, t);
}

static int zerocopy(const struct target *t)
{
	int fd = stream(t, 0), one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) < 0)
		give_up("SO_ZEROCOPY");
	if (connect(fd, &t->to.sa, t->n) < 0 ||
	    send(fd, "hello\n", 6, MSG_ZEROCOPY | MSG_NOSIGNAL) < 0)
		return -errno;
	return talk_on(fd, 0);
}

/* Port of both ends: a simultaneous open, or at least an odd one. */
static int same_port(const struct target *t)
{
	union address own = t->own;
	int fd = stream(t, 0), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	own.v4.sin_port = htons(444); /* at the same place in both families */
	if (bind(fd, &own.sa, t->n) < 0)
		give_up("bind");
	return talk(fd, t);
}

const struct attack attacks_stream[] = {
	{ "tcp", plain },
	{ "tcp-nonblocking", nonblocking },
	{ "tcp-threads", threads },
	{ "tcp-vfork", with_vfork },
	{ "tcp-orphan", orphan },
	{ "tfo-sendto", tfo_sendto },
	{ "tfo-sendmsg-nonblocking", tfo_sendmsg_nonblocking },
	{ "tfo-connect", tfo_connect },
	{ "mptcp", mptcp },
	{ "tcp-reconnect", reconnect },
	{ "tcp-twice", twice },
	{ "tcp-zerocopy", zerocopy },
	{ "tcp-low-port", same_port },
	{ NULL, NULL },
};
