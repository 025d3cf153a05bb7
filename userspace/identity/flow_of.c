/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/flow_of.h"

#include <fcntl.h>

#include "base/clock.h"
#include "identity/exe.h"
#include "identity/mounts.h"
#include "identity/process.h"

/* Kernel threads have no program: its fields stay zero. */
static void describe_exe(int dir, struct eg_flow *f)
{
	_cleanup_(buf_release) struct buf table = { 0 };
	_cleanup_close_ int fd = openat(dir, "exe", O_PATH | O_CLOEXEC);
	struct mount m;
	uint64_t ino, id;

	if (fd < 0 || exe_kernel_inode(fd, &ino, &id) < 0)
		return;
	if (mounts_read(dir, &table) < 0 || !mounts_find_id(buf_slice(&table), id, &m))
		return;
	f->exe_ino = ino;
	f->exe_dev = m.dev;
}

int flow_of(const char *proc, const struct cgroupfs *cgroups, pid_t pid, struct eg_flow *ret)
{
	_cleanup_close_ int dir = process_open(proc, pid, 0);
	struct eg_flow f = { .tgid = (uint32_t)pid, .tid = (uint32_t)pid };
	char cgroup[CGROUPFS_PATH_MAX];
	uint64_t start_ns, id;

	if (dir < 0)
		return -ESRCH;
	if (process_start(dir, &start_ns) < 0 || process_owner(dir, &f.uid, &f.gid) < 0 ||
	    process_comm(dir, f.comm, sizeof(f.comm)) < 0 ||
	    process_cgroup(dir, cgroup, sizeof(cgroup)) < 0 ||
	    cgroupfs_id(cgroups, slice_str(cgroup), &id) < 0)
		return -ESRCH;
	f.start_ns = start_ns;
	f.cgroup = f.sk_cgroup = id;
	f.time_ns = clock_mono_us() * 1000;
	describe_exe(dir, &f);
	*ret = f;
	return 0;
}
