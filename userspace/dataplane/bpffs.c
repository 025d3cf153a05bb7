/* SPDX-License-Identifier: Apache-2.0 */
/* The private bpffs that holds the links' pins, and the lock on it. */
#include "dataplane/pins.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

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

void dataplane_bpffs_unmount(const char *dir)
{
	/* Busy when another daemon has started meanwhile: then it is that one's. */
	if (umount2(dir, UMOUNT_NOFOLLOW) == 0)
		(void)rmdir(dir);
}

/* Who has the lock on that directory, as the kernel lists it; 0: not to be seen from here. */
static pid_t lock_holder(int dir_fd)
{
	FILE *f = fopen("/proc/locks", "re");
	unsigned major_no, minor_no;
	unsigned long long inode;
	pid_t found = 0;
	char line[256];
	struct stat st;
	int pid;

	if (!f)
		return 0;
	while (fstat(dir_fd, &st) == 0 && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u: FLOCK %*s WRITE %d %x:%x:%llu", &pid, &major_no, &minor_no,
			   &inode) == 4 &&
		    makedev(major_no, minor_no) == st.st_dev && inode == st.st_ino)
			found = pid;
	(void)fclose(f);
	return found;
}

static int refuse_second(const char *dir, int fd, struct diag *d)
{
	pid_t pid = lock_holder(fd);
	char who[32] = "";

	if (pid > 0)
		(void)snprintf(who, sizeof(who), " (pid %d)", (int)pid);
	(void)diag_at(
		d, 0, 0,
		"another egretd%s is running and holds the lock on %s: `egret daemon upgrade` "
		"puts a new version in its place, `egret daemon stop` ends it",
		who, dir);
	return -EBUSY;
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
		return refuse_second(dir, fd, d);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
