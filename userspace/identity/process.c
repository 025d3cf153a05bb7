/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

ssize_t process_read(int dir, const char *name, char *ret, size_t size)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < size - 1) {
		ssize_t got = read(fd, ret + n, size - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	ret[n] = '\0';
	return (ssize_t)n;
}

static uint64_t ns_per_tick(void)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return NS_PER_S / (ticks > 0 ? (uint64_t)ticks : 100);
}

int process_start(int dir, uint64_t *ret)
{
	char stat[1024], *at, state;
	uint64_t ticks;

	if (process_read(dir, "stat", stat, sizeof(stat)) < 0)
		return -ESRCH;
	/* "PID (NAME) STATE ...": the name may hold anything, parentheses and spaces too. */
	at = strrchr(stat, ')');
	if (!at || sscanf(at,
			  ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			  "%*d %*d %" SCNu64,
			  &state, &ticks) != 2)
		return -ESRCH;
	if (state == 'Z' || state == 'X')
		return -ESRCH;
	*ret = ticks * ns_per_tick();
	return 0;
}

int process_open(const char *proc, pid_t pid, uint64_t start_ns)
{
	_cleanup_close_ int dir = -EBADF;
	char path[4096];
	uint64_t started;
	int r;

	if (pid <= 0 ||
	    (size_t)snprintf(path, sizeof(path), "%s/%d", proc, (int)pid) >= sizeof(path))
		return -ESRCH;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	r = process_start(dir, &started);
	if (r < 0)
		return r;
	if (start_ns && start_ns / ns_per_tick() != started / ns_per_tick())
		return -ESRCH;
	return TAKE_FD(dir);
}

/* The first number behind "KEY:" at the beginning of a line. */
static int status_number(const char *status, const char *key, uint32_t *ret)
{
	const char *at = strstr(status, key);

	return at && sscanf(at + strlen(key), "%" SCNu32, ret) == 1 ? 0 : -EIO;
}

int process_owner(int dir, uint32_t *ret_uid, uint32_t *ret_gid)
{
	char status[8192];
	int r;

	if (process_read(dir, "status", status, sizeof(status)) < 0)
		return -ESRCH;
	/* "Name:" comes first, with its newlines escaped: it cannot forge a line. */
	r = status_number(status, "\nUid:\t", ret_uid);
	return r < 0 ? r : status_number(status, "\nGid:\t", ret_gid);
}

int process_comm(int dir, char *ret, size_t size)
{
	ssize_t n = process_read(dir, "comm", ret, size);

	if (n < 0)
		return -ESRCH;
	if (n && ret[n - 1] == '\n')
		ret[n - 1] = '\0';
	return 0;
}

int process_cgroup(int dir, char *ret, size_t size)
{
	char text[16384], *line, *end;
	ssize_t n = process_read(dir, "cgroup", text, sizeof(text));

	if (n < 0)
		return -ESRCH;
	/* Lines of version 1 hierarchies may come before. No cgroup's name holds a newline. */
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	end = line ? strchr(line, '\n') : NULL;
	if (!end)
		return -ENAMETOOLONG;
	return slice_copy(slice_of(line, (size_t)(end - line)), ret, size) < (size_t)(end - line)
		       ? -ENAMETOOLONG
		       : 0;
}

int process_namespace(int dir, const char *path, const char *kind, uint64_t *ret)
{
	char text[64];
	size_t at = strlen(kind);
	ssize_t n = readlinkat(dir, path, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (strncmp(text, kind, at) != 0)
		return -ENOENT;
	return sscanf(text + at, ":[%" SCNu64 "]", ret) == 1 ? 0 : -ENOENT;
}
