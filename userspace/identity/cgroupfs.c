/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/cgroupfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

/* linux/exportfs.h, not exported to userspace before Linux 6.18: 64 bits of kernfs node id. */
#define HANDLE_KERNFS 0xfe

union kernfs_handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + sizeof(uint64_t)];
};

/* Mount point of the cgroup2 that `dir` is on: the longest that it begins with. */
static int find_mount(const char *dir, char *ret, size_t size)
{
	struct slice d = slice_str(dir), best = SLICE("");
	struct mntent entry;
	char line[8192];
	FILE *f;

	f = setmntent("/proc/self/mounts", "re");
	if (!f)
		return -errno;
	while (getmntent_r(f, &entry, line, sizeof(line))) {
		struct slice at = slice_str(entry.mnt_dir);

		if (strcmp(entry.mnt_type, "cgroup2") == 0 && at.n >= best.n && at.n < size &&
		    slice_has_prefix(d, at) && (d.n == at.n || d.p[at.n] == '/')) {
			(void)slice_copy(at, ret, size);
			best = slice_of(ret, at.n);
		}
	}
	(void)endmntent(f);
	return best.n ? 0 : -ENOENT;
}

int cgroupfs_open(struct cgroupfs *fs, const char *dir)
{
	_cleanup_free_ char *real = realpath(dir, NULL);
	struct statfs st;
	struct slice rest;
	int r;

	*fs = (struct cgroupfs){ .mount_fd = -EBADF };
	if (!real || statfs(real, &st) < 0)
		return -errno;
	if (st.f_type != CGROUP2_SUPER_MAGIC)
		return -EINVAL;
	r = find_mount(real, fs->mount, sizeof(fs->mount));
	if (r < 0)
		return r;
	rest = slice_str(real + strlen(fs->mount));
	if (slice_copy(rest.n ? rest : SLICE("/"), fs->attached, sizeof(fs->attached)) < rest.n)
		return -ENAMETOOLONG;
	fs->mount_fd = open(fs->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fs->mount_fd < 0 ? -errno : 0;
}

void cgroupfs_close(struct cgroupfs *fs)
{
	cleanup_close(&fs->mount_fd);
	fs->mount_fd = -EBADF;
}

int cgroupfs_id(const struct cgroupfs *fs, struct slice path, uint64_t *ret)
{
	char relative[CGROUPFS_PATH_MAX];
	struct stat st;

	if (path.n >= sizeof(relative) || memchr(path.p, '\0', path.n))
		return -ENAMETOOLONG;
	while (path.n && path.p[0] == '/')
		path = slice_of(path.p + 1, path.n - 1);
	(void)slice_copy(path.n ? path : SLICE("."), relative, sizeof(relative));
	if (fstatat(fs->mount_fd, relative, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	*ret = st.st_ino;
	return 0;
}

static int open_id(const struct cgroupfs *fs, uint64_t id)
{
	union kernfs_handle h = { .head = { .handle_bytes = sizeof(id),
					    .handle_type = HANDLE_KERNFS } };
	int fd;

	memcpy(h.head.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(fs->mount_fd, &h.head, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ESTALE ? -ENOENT : -errno;
	return fd;
}

int cgroupfs_path(const struct cgroupfs *fs, uint64_t id, char *ret, size_t size)
{
	char link[64], full[CGROUPFS_PATH_MAX];
	size_t prefix = strcmp(fs->mount, "/") == 0 ? 0 : strlen(fs->mount);
	_cleanup_close_ int fd = open_id(fs, id);
	struct slice path;
	uint64_t now;
	ssize_t n;

	if (fd < 0)
		return fd;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, full, sizeof(full));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(full))
		return -ENAMETOOLONG;
	path = slice_of(full, (size_t)n);
	if (!slice_has_prefix(path, slice_of(fs->mount, prefix)))
		return -ENOENT;
	path = path.n == prefix ? SLICE("/") : slice_of(full + prefix, path.n - prefix);
	/* A removed one reads "... (deleted)", which may also be a name: the id tells. */
	if (cgroupfs_id(fs, path, &now) < 0 || now != id)
		return -ENOENT;
	return slice_copy(path, ret, size) < path.n ? -ENAMETOOLONG : 0;
}

struct slice cgroupfs_below(const struct cgroupfs *fs, struct slice path)
{
	struct slice attached = slice_str(fs->attached);

	if (slice_eq(attached, SLICE("/")))
		return path;
	if (!slice_has_prefix(path, attached))
		return SLICE("");
	if (path.n == attached.n)
		return SLICE("/");
	return path.p[attached.n] == '/' ? slice_of(path.p + attached.n, path.n - attached.n)
					 : SLICE("");
}
