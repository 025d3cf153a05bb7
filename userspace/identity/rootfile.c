/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/rootfile.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "identity/mounts.h"
#include "identity/process.h"

/* Of a mount table that others may make as long as they like; a container's has some 10 KB. */
#define TABLE_MAX 65536
/* A look-up in the caches fails while anybody mounts something anywhere: containers that start do.
 */
#define TRIES	  10

static int find(int dir, const char *path, int *ret)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED,
	};
	_cleanup_close_ int root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;

	if (root < 0)
		return -ESRCH;
	for (int i = 0; i < TRIES && fd < 0 && (i == 0 || errno == EAGAIN); i++)
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* By its mount: stat() and statfs() would ask the file system itself. Not overlayfs either: in a
 * user namespace anybody can put one over a FUSE file system, and reads it with the rights of who
 * mounted it. */
static bool is_plain(int dir, int fd)
{
	_cleanup_free_ char *table = malloc(TABLE_MAX);
	uint64_t ino, id;
	struct mount m;
	ssize_t n;

	if (!table || exe_kernel_inode(fd, &ino, &id) < 0)
		return false;
	n = process_read(dir, "mountinfo", table, TABLE_MAX);
	return n > 0 && mounts_find_id(slice_of(table, (size_t)n), id, &m) && mounts_is_plain(&m);
}

/* RWF_NOWAIT: who writes to the file may hold a lock on it for as long as it likes. Where the file
 * system does not know it (tmpfs), readers take none. */
static ssize_t read_cached(int fd, char *ret, size_t size)
{
	const struct iovec v = { ret, size };
	ssize_t n = preadv2(fd, &v, 1, 0, RWF_NOWAIT);

	if (n < 0 && errno == EOPNOTSUPP)
		n = pread(fd, ret, size, 0);
	return n < 0 ? -errno : n;
}

/* O_NONBLOCK: a lease on it is not waited for. */
static ssize_t read_found(int fd, char *ret, size_t size)
{
	_cleanup_close_ int in = -EBADF;
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	in = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (in < 0)
		return -errno;
	n = read_cached(in, ret, size);
	if (n == (ssize_t)size)
		return -EFBIG;
	if (n >= 0)
		ret[n] = '\0';
	return n;
}

ssize_t rootfile_read(int dir, const char *path, struct exe_key *key, char *ret, size_t size)
{
	_cleanup_close_ int fd = -EBADF;
	struct exe_key now;
	ssize_t n;
	int r;

	r = find(dir, path, &fd);
	if (r == 0)
		r = exe_key_of(fd, &now);
	if (r < 0)
		return r;
	if (exe_key_eq(key, &now))
		return -EALREADY;
	if (!is_plain(dir, fd))
		return -EPERM;
	n = read_found(fd, ret, size);
	if (n >= 0)
		*key = now;
	return n;
}
