/* SPDX-License-Identifier: Apache-2.0 */
/* See cgroup.h. Reads /proc and asks the kernel for file handles; changes nothing. */
#include "dataplane/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/slice.h"

int cgroup_mount_in(const char *mounts, char *ret, size_t size)
{
	char line[8192];
	struct mntent entry;
	int r = -ENOENT;
	FILE *f;

	f = setmntent(mounts, "re");
	if (!f)
		return -errno;

	while (getmntent_r(f, &entry, line, sizeof(line))) {
		if (strcmp(entry.mnt_type, "cgroup2") != 0)
			continue;
		r = strlen(entry.mnt_dir) < size ? 0 : -ENAMETOOLONG;
		if (r == 0)
			(void)slice_copy(slice_str(entry.mnt_dir), ret, size);
		break;
	}
	(void)endmntent(f);
	return r;
}

int cgroup_mount(char *ret, size_t size)
{
	return cgroup_mount_in("/proc/self/mounts", ret, size);
}

int cgroup_id(const char *dir, uint64_t *ret)
{
	struct statfs fs;
	struct stat st;

	if (statfs(dir, &fs) < 0 || stat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -EINVAL;

	*ret = st.st_ino;
	return 0;
}

/* The path after "0::" in /proc/self/cgroup. */
static int own_path(char *path, size_t size)
{
	char line[4096];
	int r = -ENOENT;
	FILE *f;

	f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return -errno;

	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		r = strlen(line + 3) < size ? 0 : -ENAMETOOLONG;
		(void)slice_copy(slice_str(line + 3), path, size);
		break;
	}
	(void)fclose(f);
	return r;
}

int cgroup_contains_self(const char *dir, bool *ret)
{
	char path[4096], mount[4096], full[8192];
	uint64_t wanted, id;
	int r;

	r = cgroup_id(dir, &wanted);
	if (r == 0)
		r = own_path(path, sizeof(path));
	if (r == 0)
		r = cgroup_mount(mount, sizeof(mount));
	if (r < 0)
		return r;

	/* Compares ids on the way up: paths may differ by links and mounts. */
	(void)snprintf(full, sizeof(full), "%s%s", mount, path);
	*ret = false;
	while (cgroup_id(full, &id) == 0) {
		char *slash = strrchr(full, '/');

		if (id == wanted)
			*ret = true;
		if (*ret || !slash || slash == full)
			return 0;
		*slash = '\0';
	}
	return 0;
}

/* kernfs file handles are the 64-bit inode number: FILEID_KERNFS, include/linux/exportfs.h. */
#define FILEID_KERNFS 0xfe

int cgroup_open_id(int mount_fd, uint64_t id, int *ret_fd)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} handle = { .h = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	int fd;

	memcpy(handle.h.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(mount_fd, &handle.h, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int cgroup_id_is_below(int mount_fd, uint64_t id, uint64_t above, bool *ret)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st, root;
	int r;

	r = cgroup_open_id(mount_fd, id, &fd);
	if (r < 0)
		return r;
	if (fstat(mount_fd, &root) < 0 || fstat(fd, &st) < 0)
		return -errno;
	while (st.st_ino != above && st.st_ino != root.st_ino) {
		int parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (parent < 0)
			return -errno;
		cleanup_close(&fd);
		fd = parent;
		if (fstat(fd, &st) < 0)
			return -errno;
	}
	*ret = st.st_ino == above;
	return 0;
}
