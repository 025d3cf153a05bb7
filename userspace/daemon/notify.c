/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/slice.h"

/* False: nobody asked to be told. */
static bool address(struct sockaddr_un *to, socklen_t *ret_n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n < 2 || n >= sizeof(to->sun_path) || (path[0] != '/' && path[0] != '@'))
		return false;
	(void)slice_copy(slice_str(path), to->sun_path, sizeof(to->sun_path));
	if (path[0] == '@')
		to->sun_path[0] = '\0';
	*ret_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

void notify_fd(const char *state, int passed)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)state, .iov_len = strlen(state) };
	struct sockaddr_un to;
	struct msghdr m = { .msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1 };
	_cleanup_close_ int fd = -EBADF;
	struct cmsghdr *c;

	if (!address(&to, &m.msg_namelen))
		return;
	if (passed >= 0) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(c), &passed, sizeof(passed));
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendmsg(fd, &m, MSG_NOSIGNAL);
}

void notify(const char *state)
{
	notify_fd(state, -EBADF);
}

void notify_reloading(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		       (unsigned long long)clock_mono_us());
	notify(text);
}
