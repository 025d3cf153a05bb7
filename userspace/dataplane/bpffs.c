/* SPDX-License-Identifier: Apache-2.0 */
/* The private bpffs that holds the links' pins, and the lock on it. */
#include "dataplane/pins.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "dataplane/dataplane.h"

static int fail(struct diag *d, int r, const char *action, const char *dir)
{
	(void)diag_at(d, 0, 0, "cannot %s %s: %s", action, dir, strerror(-r));
	return r;
}

static int mount_fresh(const char *dir, struct diag *d)
{
	if (mount("bpf", dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return fail(d, -errno, "mount a bpffs on", dir);
	if (mount(NULL, dir, NULL, MS_PRIVATE, NULL) < 0)
		return fail(d, -errno, "make private the mount on", dir);
	return 0;
}

int dataplane_bpffs_mount(const char *dir, uid_t owner, struct diag *d)
{
	struct statfs fs;
	struct stat st;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return fail(d, -errno, "make", dir);
	if (statfs(dir, &fs) < 0)
		return fail(d, -errno, "look at", dir);
	if (fs.f_type != BPF_FS_MAGIC) {
		r = mount_fresh(dir, d);
		if (r < 0)
			return r;
	}
	if (stat(dir, &st) < 0)
		return fail(d, -errno, "look at", dir);
	if ((st.st_mode & 0777) != 0700) { /* bpffs adds the sticky bit */
		(void)diag_at(d, 0, 0, "%s is a bpffs that others can enter (mode %03o, not 700)",
			      dir, (unsigned)st.st_mode & 0777);
		return -EEXIST;
	}
	if (chown(dir, owner, (gid_t)-1) < 0)
		return fail(d, -errno, "change the owner of", dir);
	return 0;
}

int pins_lock(const char *dir, struct diag *d, int *ret_fd)
{
	_cleanup_close_ int fd = -EBADF;
	struct statfs fs;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(d, -errno, "open", dir);
	if (fstatfs(fd, &fs) < 0)
		return fail(d, -errno, "look at", dir);
	if (fs.f_type != BPF_FS_MAGIC) {
		(void)diag_at(d, 0, 0, "%s is not a bpffs", dir);
		return -ENODEV;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return fail(d, -errno, "lock", dir);
		(void)diag_at(d, 0, 0, "another egretd holds %s", dir);
		return -EBUSY;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
