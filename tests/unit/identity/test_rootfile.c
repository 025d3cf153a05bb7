/* SPDX-License-Identifier: Apache-2.0 */
/* A file below somebody else's root directory, and what somebody may put there instead. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "identity/rootfile.h"

#define PATH "etc/resolv.conf"
#define TEXT "nameserver 192.0.2.1\n"

static char top[] = "/tmp/egret-jail-XXXXXX", host_file[64];

struct jail {
	pid_t pid;
	int hold, dir; /* it ends when hold is closed; /proc/PID */
};

/* All that follows runs in the child, whose exit status says which step failed. */
static void put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) < 0)
		_exit(10);
}

static void must(bool ok)
{
	if (!ok)
		_exit(11);
}

static void jail_enter(void)
{
	must(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	must(mount("none", top, "tmpfs", 0, NULL) == 0);
	must(chdir(top) == 0 && mkdir("etc", 0755) == 0 && mkdir("tmp", 0755) == 0);
	must(mkdir("proc", 0755) == 0 && mount("proc", "proc", "proc", 0, NULL) == 0);
	must(chroot(".") == 0);
}

static struct jail jail_start(void (*fill)(void))
{
	int hold[2], ready[2];
	char byte, path[64];
	struct jail j;

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	j.pid = fork();
	assert_true(j.pid >= 0);
	if (j.pid == 0) {
		(void)close(hold[1]);
		jail_enter();
		fill();
		must(write(ready[1], "x", 1) == 1);
		must(read(hold[0], &byte, 1) == 0);
		_exit(0);
	}
	(void)close(hold[0]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	j.hold = hold[1];
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)j.pid);
	j.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(j.dir >= 0);
	return j;
}

static void jail_end(struct jail *j)
{
	int status;

	(void)close(j->hold);
	assert_int_equal(waitpid(j->pid, &status, 0), j->pid);
	assert_int_equal(status, 0);
	(void)close(j->dir);
}

static ssize_t read_once(void (*fill)(void), char *ret, size_t size)
{
	struct jail j = jail_start(fill);
	struct exe_key key = { 0 };
	ssize_t n = rootfile_read(j.dir, PATH, &key, ret, size);

	jail_end(&j);
	return n;
}

/* ---- what may be read ---- */

static void fill_plain(void)
{
	put(PATH, TEXT, strlen(TEXT));
}

/* As who uses it does. To follow a link that nobody has followed yet is to write down when. */
static void use_link(const char *path)
{
	struct stat st;

	do {
		must(access(path, R_OK) == 0 && lstat(path, &st) == 0);
	} while (st.st_atim.tv_sec == st.st_ctim.tv_sec &&
		 st.st_atim.tv_nsec == st.st_ctim.tv_nsec);
}

static void fill_link(void)
{
	must(mkdir("run", 0755) == 0);
	put("run/dns", TEXT, strlen(TEXT));
	must(symlink("/../../run/dns", PATH) == 0); /* ".." of the root is the root */
	use_link(PATH);
}

static void a_file_and_a_link_inside_are_read(void **state)
{
	char text[256];

	(void)state;
	assert_int_equal(read_once(fill_plain, text, sizeof(text)), strlen(TEXT));
	assert_string_equal(text, TEXT);
	assert_int_equal(read_once(fill_link, text, sizeof(text)), strlen(TEXT));
	assert_string_equal(text, TEXT);
}

static void the_same_content_is_read_once(void **state)
{
	struct jail j = jail_start(fill_plain);
	struct exe_key key = { 0 };
	char text[256], path[64];

	(void)state;
	assert_int_equal(rootfile_read(j.dir, PATH, &key, text, sizeof(text)), strlen(TEXT));
	assert_int_equal(rootfile_read(j.dir, PATH, &key, text, sizeof(text)), -EALREADY);
	(void)snprintf(path, sizeof(path), "/proc/%d/root/" PATH, (int)j.pid);
	put(path, "other", 5);
	assert_int_equal(rootfile_read(j.dir, PATH, &key, text, sizeof(text)), 5);
	assert_string_equal(text, "other");
	jail_end(&j);
}

static void nothing_is_read_of_who_is_gone(void **state)
{
	struct jail j = jail_start(fill_plain);
	struct exe_key key = { 0 };
	char text[256];
	int dir = dup(j.dir);

	(void)state;
	jail_end(&j);
	assert_true(rootfile_read(dir, PATH, &key, text, sizeof(text)) < 0);
	(void)close(dir);
}

/* ---- what may not ---- */

static void fill_nothing(void)
{
}

static void fill_fifo(void)
{
	must(mkfifo(PATH, 0644) == 0);
}

static void fill_directory(void)
{
	must(mkdir(PATH, 0755) == 0);
}

static void fill_device(void)
{
	must(mknod(PATH, S_IFCHR | 0666, makedev(1, 5)) == 0); /* /dev/zero */
}

static void fill_way_out(void)
{
	char to[128];

	(void)snprintf(to, sizeof(to), "../../../../..%s", host_file);
	must(symlink(to, PATH) == 0);
}

/* It gets there itself: the way is in the caches. */
static void fill_magic_way_out(void)
{
	char to[128];

	(void)snprintf(to, sizeof(to), "/proc/%d/root%s", (int)getppid(), host_file);
	must(symlink(to, PATH) == 0);
	use_link(PATH);
}

static void fill_huge(void)
{
	static char text[300];

	memset(text, '\n', sizeof(text));
	put(PATH, text, 256);
}

static void fill_overlay(void)
{
	must(mkdir("o", 0755) == 0 && mount("none", "o", "tmpfs", 0, NULL) == 0);
	must(mkdir("o/up", 0755) == 0 && mkdir("o/work", 0755) == 0);
	put("o/up/resolv.conf", TEXT, strlen(TEXT));
	must(mount("none", "etc", "overlay", 0, "lowerdir=/tmp,upperdir=/o/up,workdir=/o/work") ==
	     0);
	must(access(PATH, R_OK) == 0);
}

static void what_is_no_such_file_is_not_read(void **state)
{
	static void (*const fills[])(void) = { fill_nothing, fill_fifo,	   fill_directory,
					       fill_device,  fill_way_out, fill_magic_way_out };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fills); i++)
		assert_true(read_once(fills[i], text, sizeof(text)) < 0);
	assert_int_equal(read_once(fill_huge, text, sizeof(text)), -EFBIG);
	assert_int_equal(read_once(fill_overlay, text, sizeof(text)), -EPERM);
}

/* ---- a file system that never answers ---- */

static void mount_silent(const char *where, const char *mode)
{
	char options[128];
	int fd = open("/proc/self/cwd/fuse", O_RDWR | O_CLOEXEC);

	must(fd >= 0);
	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=%s,user_id=0,group_id=0,allow_other", fd, mode);
	must(mount("none", where, "fuse", 0, options) == 0);
}

static void fill_silent_directory(void)
{
	must(mknod("fuse", S_IFCHR | 0600, makedev(10, 229)) == 0);
	mount_silent("etc", "40000");
}

static void fill_silent_file(void)
{
	must(mknod("fuse", S_IFCHR | 0600, makedev(10, 229)) == 0);
	put(PATH, TEXT, strlen(TEXT));
	mount_silent(PATH, "100000");
}

static void nobody_is_waited_for(void **state)
{
	char text[256];

	(void)state;
	if (access("/dev/fuse", F_OK) < 0)
		skip();
	(void)alarm(60); /* to wait here would be forever */
	assert_true(read_once(fill_silent_directory, text, sizeof(text)) < 0);
	assert_true(read_once(fill_silent_file, text, sizeof(text)) < 0);
	(void)alarm(0);
}

static int make_host_file(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(top))
		return -1;
	(void)snprintf(host_file, sizeof(host_file), "%s.host", top);
	fd = open(host_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd >= 0 && write(fd, TEXT, strlen(TEXT)) > 0 && close(fd) == 0 ? 0 : -1;
}

static int remove_host_file(void **state)
{
	(void)state;
	return unlink(host_file) == 0 && rmdir(top) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_and_a_link_inside_are_read),
		cmocka_unit_test(the_same_content_is_read_once),
		cmocka_unit_test(nothing_is_read_of_who_is_gone),
		cmocka_unit_test(what_is_no_such_file_is_not_read),
		cmocka_unit_test(nobody_is_waited_for),
	};

	return cmocka_run_group_tests(tests, make_host_file, remove_host_file);
}
