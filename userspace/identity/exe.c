/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/exe.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "identity/mounts.h"
#include "identity/process.h"

/* AT_STATX_DONT_SYNC: what the kernel has cached will do; a FUSE server is not asked. */
static int look_at(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, ret) < 0
		       ? -errno
		       : 0;
}

int exe_key_of(int fd, struct exe_key *ret)
{
	struct statx st;
	int r = look_at(fd, &st);

	if (r < 0)
		return r;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	*ret = (struct exe_key){
		.dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
		.ino = st.stx_ino,
		.ctime_s = (uint64_t)st.stx_ctime.tv_sec,
		.ctime_ns = st.stx_ctime.tv_nsec,
		.size = st.stx_size,
	};
	return 0;
}

bool exe_key_eq(const struct exe_key *a, const struct exe_key *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->ctime_s == b->ctime_s &&
	       a->ctime_ns == b->ctime_ns && a->size == b->size;
}

int exe_kernel_inode(int fd, uint64_t *ret_ino, uint64_t *ret_mount)
{
	_cleanup_close_ int dir = open("/proc/self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[16], text[1024];
	const char *ino, *mount;

	if (dir < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "%d", fd);
	if (process_read(dir, name, text, sizeof(text)) < 0)
		return -EIO;
	ino = strstr(text, "ino:");
	mount = strstr(text, "mnt_id:");
	if (!ino || !mount || sscanf(ino, "ino: %" SCNu64, ret_ino) != 1 ||
	    sscanf(mount, "mnt_id: %" SCNu64, ret_mount) != 1)
		return -EIO;
	return 0;
}

void exe_look(struct exe *e, struct mounts_host *host, int dir, const struct eg_flow *flow)
{
	ssize_t n;

	*e = (struct exe){ .dir = dir, .host = host, .flow = flow, .fd = -EBADF };
	if (dir < 0)
		return;
	e->fd = openat(dir, "exe", O_PATH | O_CLOEXEC);
	n = readlinkat(dir, "exe", e->path, sizeof(e->path) - 1);
	e->path[n > 0 ? n : 0] = '\0';
	if (e->fd >= 0 && exe_key_of(e->fd, &e->key) < 0) {
		(void)close(e->fd);
		e->fd = -EBADF;
	}
}

void exe_done(struct exe *e)
{
	cleanup_close(&e->fd);
	e->fd = -EBADF;
}

/* The generation, where the file system has one: it tells an inode number used again. */
static bool is_generation(struct exe *e)
{
	char link[64];
	_cleanup_close_ int fd = -EBADF;
	unsigned generation = 0;

	if (!e->flow->exe_gen)
		return true;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", e->fd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || ioctl(fd, FS_IOC_GETVERSION, &generation) < 0)
		return true;
	return generation == e->flow->exe_gen;
}

/* A mount without a place (memfd, or taken away since) is in no table. */
static bool has_device(struct exe *e, uint64_t mount)
{
	_cleanup_(buf_release) struct buf own = { 0 };
	struct mount m;

	if (mounts_find_id(mounts_host_table(e->host), mount, &m))
		return m.dev == e->flow->exe_dev && !mounts_may_hang(&m);
	return mounts_read(e->dir, &own) == 0 && mounts_find_id(buf_slice(&own), mount, &m) &&
	       m.dev == e->flow->exe_dev && !mounts_may_hang(&m);
}

static void check_inode(struct exe *e)
{
	struct mount m;
	uint64_t ino, id;

	e->is = EXE_OTHER;
	if (e->fd < 0 || exe_kernel_inode(e->fd, &ino, &id) < 0 || ino != e->flow->exe_ino ||
	    !has_device(e, id))
		return;
	e->readable = mounts_find_dev(mounts_host_table(e->host), e->flow->exe_dev, &m) &&
		      !mounts_may_hang(&m);
	if (!e->readable || is_generation(e))
		e->is = EXE_RECORDED;
}

bool exe_is_recorded(struct exe *e)
{
	if (e->is == EXE_UNCHECKED)
		check_inode(e);
	return e->is == EXE_RECORDED;
}

bool exe_is_at_its_path(struct exe *e)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int fd = -EBADF;
	struct exe_key there;
	struct mount m;

	if (e->path[0] != '/' || !exe_is_recorded(e) || !e->readable)
		return false;
	/* The host may have something else at that path, also a FUSE file system. */
	if (!mounts_find_path(mounts_host_table(e->host), slice_str(e->path), &m) ||
	    mounts_may_hang(&m))
		return false;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, e->path, &how, sizeof(how));
	return fd >= 0 && exe_key_of(fd, &there) == 0 && exe_key_eq(&there, &e->key);
}

int exe_open(struct exe *e)
{
	_cleanup_close_ int fd = -EBADF;
	struct exe_key now;
	char link[64];

	if (!exe_is_recorded(e) || !e->readable)
		return -EPERM;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", e->fd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (exe_key_of(fd, &now) < 0 || !exe_key_eq(&now, &e->key))
		return -ESTALE;
	return TAKE_FD(fd);
}
