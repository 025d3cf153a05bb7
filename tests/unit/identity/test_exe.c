/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file a process runs: replaced, deleted, changed, without a name, on an overlay, and at a
 * path that exists in its own mount namespace only. Needs root.
 */
#include "child.h"

#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "identity/exe.h"
#include "identity/flow_of.h"
#include "identity/mounts.h"
#include "identity/process.h"

static char dir[64], agent[96], top[256];
static struct cgroupfs cgroups;
static struct mounts_host mounts;

static int make(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/egret-exe-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(agent, sizeof(agent), "%s/agent", dir);
	cgroup_make(top, sizeof(top));
	assert_int_equal(cgroupfs_open(&cgroups, top), 0);
	assert_int_equal(mounts_host_open(&mounts, "/proc"), 0);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	cgroupfs_close(&cgroups);
	mounts_host_close(&mounts);
	cgroup_remove(top);
	(void)unlink(agent);
	return rmdir(dir);
}

/* The process as it was at connect(), and as it is now. */
struct seen {
	struct child child;
	struct eg_flow flow;
	struct exe exe;
	int proc;
};

static void see_begin(struct seen *s, const char *path)
{
	char procs[300];

	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", top);
	s->child = child_start(path, procs);
	assert_int_equal(flow_of("/proc", &cgroups, s->child.pid, &s->flow), 0);
	assert_true(s->flow.exe_ino != 0);
}

static void see_now(struct seen *s)
{
	s->proc = process_open("/proc", s->child.pid, s->flow.start_ns);
	assert_true(s->proc >= 0);
	exe_look(&s->exe, &mounts, s->proc, &s->flow);
}

static void see_end(struct seen *s)
{
	exe_done(&s->exe);
	(void)close(s->proc);
	child_end(&s->child);
}

static void an_honest_program_is_what_it_says(void **state)
{
	struct seen s;
	struct exe_key key;
	int fd;

	(void)state;
	file_copy("/bin/cat", agent, "");
	see_begin(&s, agent);
	see_now(&s);
	assert_string_equal(s.exe.path, agent);
	assert_true(exe_is_recorded(&s.exe));
	assert_true(exe_is_at_its_path(&s.exe));
	fd = exe_open(&s.exe);
	assert_true(fd >= 0);
	assert_int_equal(exe_key_of(fd, &key), 0);
	assert_true(exe_key_eq(&key, &s.exe.key));
	(void)close(fd);
	see_end(&s);
	assert_int_equal(unlink(agent), 0);
}

static void a_deleted_program_is_not_at_its_path(void **state)
{
	struct seen s;
	int fd;

	(void)state;
	file_copy("/bin/cat", agent, "");
	see_begin(&s, agent);
	assert_int_equal(unlink(agent), 0);
	see_now(&s);
	assert_true(exe_is_recorded(&s.exe)); /* it still runs that file */
	assert_false(exe_is_at_its_path(&s.exe));
	fd = exe_open(&s.exe);
	assert_true(fd >= 0);
	(void)close(fd);
	see_end(&s);
}

static void another_file_at_the_path_is_another(void **state)
{
	struct seen s;

	(void)state;
	file_copy("/bin/cat", agent, "");
	see_begin(&s, agent);
	assert_int_equal(unlink(agent), 0);
	file_copy("/bin/cat", agent, "other");
	see_now(&s);
	assert_true(exe_is_recorded(&s.exe));
	assert_false(exe_is_at_its_path(&s.exe));
	see_end(&s);
	/* A file of the name by which the kernel shows a deleted one. */
	see_begin(&s, agent);
	{
		char shown[128];

		(void)snprintf(shown, sizeof(shown), "%s (deleted)", agent);
		assert_int_equal(unlink(agent), 0);
		file_copy("/bin/cat", shown, "");
		see_now(&s);
		assert_string_equal(s.exe.path, shown);
		assert_false(exe_is_at_its_path(&s.exe));
		assert_int_equal(unlink(shown), 0);
	}
	see_end(&s);
}

static void another_program_than_at_connect_is_not_recorded(void **state)
{
	struct seen s;

	(void)state;
	see_begin(&s, "/bin/cat");
	s.flow.exe_ino++;
	see_now(&s);
	assert_false(exe_is_recorded(&s.exe));
	assert_false(exe_is_at_its_path(&s.exe));
	assert_int_equal(exe_open(&s.exe), -EPERM);
	see_end(&s);
	see_begin(&s, "/bin/cat");
	s.flow.exe_dev ^= 1;
	see_now(&s);
	assert_false(exe_is_recorded(&s.exe));
	see_end(&s);
}

static void the_generation_counts_where_there_is_one(void **state)
{
	struct seen s;

	(void)state;
	see_begin(&s, "/bin/cat");
	see_now(&s);
	assert_true(exe_is_recorded(&s.exe));
	exe_done(&s.exe);
	s.flow.exe_gen = 0x5eed;
	exe_look(&s.exe, &mounts, s.proc, &s.flow);
	/* ext4 and the like have generations; others say nothing, and then the inode alone counts.
	 */
	{
		unsigned generation;
		int fd = open("/bin/cat", O_RDONLY | O_CLOEXEC);
		bool has = ioctl(fd, FS_IOC_GETVERSION, &generation) == 0;

		(void)close(fd);
		assert_int_equal(exe_is_recorded(&s.exe), !has);
	}
	see_end(&s);
}

static void a_process_that_is_gone_has_no_program(void **state)
{
	struct eg_flow flow = { .exe_ino = 1 };
	struct exe e;

	(void)state;
	exe_look(&e, &mounts, -ESRCH, &flow);
	assert_string_equal(e.path, "");
	assert_false(exe_is_recorded(&e));
	assert_false(exe_is_at_its_path(&e));
	assert_int_equal(exe_open(&e), -EPERM);
	exe_done(&e);
}

static void a_file_without_a_place_is_not_read(void **state)
{
	static char data[8u << 20];
	char path[64];
	struct seen s;
	ssize_t n;
	int cat = open("/bin/cat", O_RDONLY | O_CLOEXEC), fd;

	(void)state;
	n = read(cat, data, sizeof(data));
	(void)close(cat);
	/* Not closed on exec(): /proc/self/fd/N must lead to it. */
	fd = (int)syscall(SYS_memfd_create, "/usr/bin/node", 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, (size_t)n), n);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s.child = child_start(path, NULL);
	s.flow = (struct eg_flow){ .tgid = (uint32_t)s.child.pid };
	{
		struct stat st;

		assert_int_equal(fstat(fd, &st), 0);
		s.flow.exe_ino = st.st_ino;
		s.flow.exe_dev = (uint32_t)(st.st_dev >> 8 << 20 | (st.st_dev & 0xff));
	}
	see_now(&s);
	assert_false(exe_is_at_its_path(&s.exe));
	assert_int_equal(exe_open(&s.exe), -EPERM);
	see_end(&s);
	(void)close(fd);
}

/* In a mount namespace of its own, `agent` lies at /bin/ls. */
static void enter_and_run(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount(agent, "/bin/ls", NULL, MS_BIND, NULL) == 0)
		return;
	_exit(5);
}

static void a_path_of_an_own_mount_namespace_is_not_believed(void **state)
{
	struct seen s;

	(void)state;
	file_copy("/bin/cat", agent, "evil");
	s.child = child_start_with("/bin/ls", NULL, enter_and_run, NULL);
	s.flow = (struct eg_flow){ 0 };
	assert_int_equal(unlink(agent), 0);
	cgroup_enter(top, s.child.pid);
	assert_int_equal(flow_of("/proc", &cgroups, s.child.pid, &s.flow), 0);
	see_now(&s);
	assert_non_null(strstr(s.exe.path, "bin/ls")); /* this is what it shows */
	assert_true(exe_is_recorded(&s.exe));
	assert_false(exe_is_at_its_path(&s.exe));
	see_end(&s);
}

/* An overlay that only its own namespace has: not readable, since the host does not know it. */
static void overlay_and_run(void *options)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("overlay", dir, "overlay", 0, options) == 0)
		return;
	_exit(5);
}

struct layers {
	char lower[100], upper[100], cat[128], options[512];
};

/* An upper directory on the root may be refused where that is an overlay itself: a tmpfs has it. */
static void layers_make(struct layers *l)
{
	char name[128];

	(void)snprintf(l->lower, sizeof(l->lower), "%s.lower", dir);
	(void)snprintf(l->upper, sizeof(l->upper), "%s.upper", dir);
	(void)snprintf(l->cat, sizeof(l->cat), "%s.lower/cat", dir);
	(void)snprintf(l->options, sizeof(l->options), "lowerdir=%s,upperdir=%s/u,workdir=%s/w",
		       l->lower, l->upper, l->upper);
	assert_int_equal(mkdir(l->lower, 0755) | mkdir(l->upper, 0755), 0);
	assert_int_equal(mount("t", l->upper, "tmpfs", 0, NULL), 0);
	(void)snprintf(name, sizeof(name), "%s/u", l->upper);
	assert_int_equal(mkdir(name, 0755), 0);
	name[strlen(name) - 1] = 'w';
	assert_int_equal(mkdir(name, 0755), 0);
	file_copy("/bin/cat", l->cat, "");
}

static void layers_remove(struct layers *l)
{
	assert_int_equal(umount(l->upper), 0);
	assert_int_equal(unlink(l->cat), 0);
	assert_int_equal(rmdir(l->lower) | rmdir(l->upper), 0);
}

static void overlays(bool on_host)
{
	char inside[128];
	struct layers l;
	struct seen s;
	int fd;

	layers_make(&l);
	(void)snprintf(inside, sizeof(inside), "%s/cat", dir);
	if (on_host)
		assert_int_equal(mount("overlay", dir, "overlay", 0, l.options), 0);
	s.child = on_host ? child_start(inside, NULL)
			  : child_start_with(inside, NULL, overlay_and_run, l.options);
	cgroup_enter(top, s.child.pid);
	assert_int_equal(flow_of("/proc", &cgroups, s.child.pid, &s.flow), 0);
	see_now(&s);
	assert_string_equal(s.exe.path, inside);
	assert_true(exe_is_recorded(&s.exe));
	assert_int_equal(exe_is_at_its_path(&s.exe), on_host);
	fd = exe_open(&s.exe);
	assert_int_equal(fd >= 0, on_host);
	if (fd >= 0)
		(void)close(fd);
	see_end(&s);
	if (on_host)
		assert_int_equal(umount(dir), 0);
	layers_remove(&l);
}

static void overlays_of_the_host_are_read(void **state)
{
	(void)state;
	overlays(true);
}

static void overlays_of_somebody_are_not(void **state)
{
	(void)state;
	overlays(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_program_is_what_it_says),
		cmocka_unit_test(a_deleted_program_is_not_at_its_path),
		cmocka_unit_test(another_file_at_the_path_is_another),
		cmocka_unit_test(another_program_than_at_connect_is_not_recorded),
		cmocka_unit_test(the_generation_counts_where_there_is_one),
		cmocka_unit_test(a_process_that_is_gone_has_no_program),
		cmocka_unit_test(a_file_without_a_place_is_not_read),
		cmocka_unit_test(a_path_of_an_own_mount_namespace_is_not_believed),
		cmocka_unit_test(overlays_of_the_host_are_read),
		cmocka_unit_test(overlays_of_somebody_are_not),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
