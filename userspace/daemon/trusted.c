/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/trusted.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

static int fail(struct diag *d, const char *path, int error, const char *fmt, ...) _printf_(4, 5);

static int fail(struct diag *d, const char *path, int error, const char *fmt, ...)
{
	char text[sizeof(d->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (d)
		(void)slice_copy(slice_str(path), d->file, sizeof(d->file));
	(void)diag_at(d, 0, 0, "%s", text);
	return error;
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* O_NONBLOCK: a FIFO in its place must not hold the daemon up. */
static int open_regular(const char *path, int flags, size_t max, bool optional, struct diag *d,
			struct stat *st)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);

	if (fd < 0 && errno == ENOENT && optional)
		return -ENOENT;
	if (fd < 0)
		return fail(d, path, -errno, "cannot open it: %s%s", strerror(errno),
			    errno == ELOOP ? ": name the file itself, not a link to it" : "");
	if (fstat(fd, st) < 0)
		return fail(d, path, -errno, "cannot look at it: %s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return fail(d, path, -EINVAL, "not a regular file");
	if ((uint64_t)st->st_size > max)
		return fail(d, path, -EFBIG, "larger than the %zu bytes allowed", max);
	return TAKE_FD(fd);
}

int trusted_open(const char *path, size_t max, bool optional, struct diag *d, int *ret_fd)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = open_regular(path, 0, max, optional, d, &st);
	if (fd < 0)
		return fd;
	if (!is_ours(&st) || st.st_mode & 022)
		return fail(
			d, path, -EACCES,
			"others than root can write it (owner %u, mode %04o), so it is not obeyed: "
			"chown root and chmod go-w",
			st.st_uid, st.st_mode & 07777u);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int trusted_open_secret(const char *path, size_t max, struct diag *d, int *ret_fd)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = open_regular(path, O_NOFOLLOW, max, false, d, &st);
	if (fd < 0)
		return fd;
	if (!is_ours(&st) || st.st_mode & 077)
		return fail(
			d, path, -EACCES,
			"others than root can reach it (owner %u, mode %04o), so the key in it is "
			"not safe: make a new key, chown root and chmod 0600",
			st.st_uid, st.st_mode & 07777u);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int trusted_read(const char *path, int fd, size_t max, struct diag *d, struct buf *ret)
{
	buf_init(ret, max + 1);
	while (buf_len(ret) <= max) {
		size_t room = max + 1 - buf_len(ret);
		char *to = buf_reserve(ret, room < 65536 ? room : 65536);
		ssize_t n;

		if (!to)
			return fail(d, path, -ENOMEM, "cannot read it: out of memory");
		n = pread(fd, to, room < 65536 ? room : 65536, (off_t)buf_len(ret));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(d, path, -errno, "cannot read it: %s", strerror(errno));
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
	}
	return fail(d, path, -EFBIG, "larger than the %zu bytes allowed", max);
}

static const char *advice(int error)
{
	return error == -ENOSPC || error == -EDQUOT ? ": free space on its file system" : "";
}

static int write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s.p += n;
		s.n -= (size_t)n;
	}
	return 0;
}

int trusted_write(const char *path, mode_t mode, struct slice content, struct diag *d)
{
	_cleanup_close_ int fd = -EBADF;
	char temp[4096];
	int r;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp))
		return fail(d, path, -ENAMETOOLONG, "the path is too long");
	(void)unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(d, temp, -errno, "cannot make it: %s%s", strerror(errno),
			    advice(-errno));
	r = write_all(fd, content);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temp, path) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlink(temp);
		return fail(d, path, r, "cannot write it: %s%s", strerror(-r), advice(r));
	}
	return 0;
}

int trusted_directory(const char *path, mode_t mode, struct diag *d)
{
	struct stat st;

	if (mkdir(path, mode) == 0) {
		/* The umask has taken bits away. */
		if (chmod(path, mode) < 0)
			return fail(d, path, -errno, "cannot set its mode: %s", strerror(errno));
	} else if (errno != EEXIST) {
		return fail(d, path, -errno, "cannot make the directory: %s", strerror(errno));
	}
	if (lstat(path, &st) < 0)
		return fail(d, path, -errno, "cannot look at it: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(d, path, -ENOTDIR, "not a directory");
	if (!is_ours(&st) || st.st_mode & 022)
		return fail(
			d, path, -EACCES,
			"others than root can write it (owner %u, mode %04o): chown root and chmod "
			"go-w",
			st.st_uid, st.st_mode & 07777u);
	return 0;
}
