/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket appears at its path only when it already listens with its final mode. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control/patience.h"
#include "control/server.h"

#define BACKLOG 64

int control_listen(const char *path, struct diag *d, int *ret_fd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;
	int n, error;

	n = snprintf(a.sun_path, sizeof(a.sun_path), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		(void)diag_at(d, 0, 0,
			      "control socket %s: the path is longer than a socket's may be", path);
		return -ENAMETOOLONG;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto fail;
	patience_refuse_rights(fd);
	if (unlink(a.sun_path) < 0 && errno != ENOENT)
		goto fail;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		goto fail;
	if (chmod(a.sun_path, 0666) < 0 || listen(fd, BACKLOG) < 0 ||
	    rename(a.sun_path, path) < 0) {
		error = errno;
		(void)unlink(a.sun_path);
		errno = error;
		goto fail;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;

fail:
	error = errno;
	(void)diag_at(d, 0, 0, "cannot listen on control socket %s: %s", path, strerror(error));
	return -error;
}
