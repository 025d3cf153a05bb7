/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that were made by somebody else: this process begins in one cgroup, makes the socket
 * there, and uses it in another (target.cgroup). A socket belongs to its maker's cgroup for life.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void move(const struct target *t)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", t->cgroup ? t->cgroup : "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		give_up(path);
	(void)close(fd);
}

static int moved(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_STREAM, 0);

	move(t);
	return talk(fd, t);
}

static int moved_datagram(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_DGRAM, 0);

	move(t);
	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

/* Uses the socket in a child that has moved; its result is the child's. */
static int in_moved_child(const struct target *t, int (*get)(int arg), int arg)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		move(t);
		_exit(-talk(get(arg), t));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		give_up("child");
	return -WEXITSTATUS(status);
}

static int same(int fd)
{
	return fd;
}

static int inherited(const struct target *t)
{
	return in_moved_child(t, same, make_socket(t->family, SOCK_STREAM, 0));
}

static int receive(int unix_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(unix_fd, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		give_up("SCM_RIGHTS");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static int received(const struct target *t)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	int fd = make_socket(t->family, SOCK_STREAM, 0), pair[2];
	struct iovec v = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		give_up("socketpair");
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(pair[0], &m, 0) != 1)
		give_up("SCM_RIGHTS");
	(void)close(fd);
	return in_moved_child(t, receive, pair[1]);
}

/* Taken out of the parent by its number. */
static int take(int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getppid(), 0), got;

	got = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (got < 0)
		give_up("pidfd_getfd");
	return got;
}

static int taken(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_STREAM, 0);

	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	return in_moved_child(t, take, fd);
}

/* Connects here, sends in the other cgroup: the connection is the maker's. */
static int connected_then_moved(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_STREAM, 0), r = connect(fd, &t->to.sa, t->n);

	if (r < 0)
		return -errno;
	move(t);
	return talk_on(fd, 0);
}

const struct attack attacks_passed[] = {
	{ "passed-moved", moved },
	{ "passed-moved-udp", moved_datagram },
	{ "passed-inherited", inherited },
	{ "passed-scm-rights", received },
	{ "passed-pidfd-getfd", taken },
	{ "passed-connected-then-moved", connected_then_moved },
	{ NULL, NULL },
};
