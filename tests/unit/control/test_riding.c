/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that ride on a request, which nobody asked for: refused, and nobody waits for them.
 */
#include "serve.h"

#include <netinet/in.h>

/* A TCP socket whose last close waits for an hour: bytes that nobody takes, and SO_LINGER. */
static int slow_to_close(int *ret_peer)
{
	const struct linger hour = { 1, 3600 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char bytes[65536] = "";

	assert_int_equal(setsockopt(l, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int)), 0);
	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	*ret_peer = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	close(l);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof(hour)), 0);
	return fd;
}

/* 0, or what the sender is told. */
static int send_riding(int to, const char *bytes, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS,
				 .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { (char *)(uintptr_t)bytes, strlen(bytes) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	return sendmsg(to, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Whether somebody else is served meanwhile; what a hung server leaves is killed with it. */
static void assert_serves(const struct served *v)
{
	const struct timeval patience = { .tv_sec = 20 };
	int fd = raw_connect(v);
	char text[64] = "";

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(send(fd, "{\"cmd\":\"echo\"}\n", 15, MSG_NOSIGNAL), 15);
	if (recv(fd, text, sizeof(text) - 1, 0) <= 0)
		(void)kill(v->pid, SIGKILL);
	assert_string_equal(text, "{\"end\":{}}\n");
	close(fd);
}

static void riding_descriptors_are_refused_at_the_sender(void **state)
{
	int fd = raw_connect(*state);

	if (getsockopt(fd, SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &(int){ 0 }, &(socklen_t){ 4 }) < 0)
		skip(); /* before Linux 6.16 */
	assert_int_equal(send_riding(fd, "{", 0), -EPERM);
	close(fd);
}

/* Held still, so that its reference to what rides is the last. */
static void stop(const struct served *v)
{
	assert_int_equal(kill(v->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(v->pid, NULL, WUNTRACED), v->pid);
}

/* Before the line, with it, behind it, to a command that holds it, and to one that gives it away.
 */
static void riding_descriptors_hold_nobody_up(void **state)
{
	static const char *const first[] = { "{\"cmd\"", "{\"cmd\":\"echo\"}\n",
					     "{\"cmd\":\"hold\"}\n", "{\"cmd\":\"watch\"}\n",
					     "{\"cmd\":\"take\"}\n" };
	const struct served *v = *state;

	for (size_t i = 0; i < ARRAY_SIZE(first) * 2; i++) {
		bool is_behind = i % 2;
		const char *line = first[i / 2];
		int peer, slow = slow_to_close(&peer), fd = raw_connect(v);

		if (is_behind)
			assert_true(send(fd, line, strlen(line), MSG_NOSIGNAL) > 0);
		stop(v);
		if (send_riding(fd, is_behind ? "xxxx" : line, slow) < 0) {
			assert_true(is_behind); /* it has been answered already */
			(void)setsockopt(slow, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
					 sizeof(struct linger));
		}
		close(slow);
		close(fd);
		(void)kill(v->pid, SIGCONT);
		assert_serves(v); /* in the turn that also reads the other... */
		assert_serves(v); /* ... and in one after it */
		close(peer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(riding_descriptors_are_refused_at_the_sender),
		SERVED_BY(takes_rights, riding_descriptors_hold_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
