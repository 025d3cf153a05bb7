/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: gone ones, numbers used again, and names made to confuse a reader of /proc. */
#include "child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "identity/process.h"

static void the_start_time_tells_one_from_another(void **state)
{
	struct child c = child_start("/bin/cat", NULL);
	int dir = process_open("/proc", c.pid, 0);
	uint64_t start;

	(void)state;
	assert_true(dir >= 0);
	assert_int_equal(process_start(dir, &start), 0);
	(void)close(dir);
	dir = process_open("/proc", c.pid, start + 5000000); /* half a tick */
	assert_true(dir >= 0);
	(void)close(dir);
	/* The same number at another time. */
	assert_int_equal(process_open("/proc", c.pid, start + 10000000), -ESRCH);
	assert_int_equal(process_open("/proc", c.pid, start - 10000000), -ESRCH);
	child_end(&c);
	assert_int_equal(process_open("/proc", c.pid, start), -ESRCH);
}

static void an_open_directory_stays_with_its_process(void **state)
{
	struct child c = child_start("/bin/cat", NULL);
	int dir = process_open("/proc", c.pid, 0);
	uint32_t uid, gid;
	uint64_t start;
	char text[64];

	(void)state;
	assert_true(dir >= 0);
	child_end(&c);
	assert_int_equal(process_start(dir, &start), -ESRCH);
	assert_int_equal(process_owner(dir, &uid, &gid), -ESRCH);
	assert_int_equal(process_comm(dir, text, sizeof(text)), -ESRCH);
	assert_int_equal(process_cgroup(dir, text, sizeof(text)), -ESRCH);
	(void)close(dir);
}

static void a_zombie_is_gone(void **state)
{
	pid_t pid = fork();
	siginfo_t info;

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(process_open("/proc", pid, 0), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void numbers_that_are_none_are_refused(void **state)
{
	(void)state;
	assert_int_equal(process_open("/proc", 0, 0), -ESRCH);
	assert_int_equal(process_open("/proc", -1, 0), -ESRCH);
	assert_int_equal(process_open("/nonexistent", 1, 0), -ESRCH);
}

static void a_name_cannot_forge_fields(void **state)
{
	static const char *const names[] = { ") Z 1 1 1", "x) R 0", "\nUid:\t0", "a b (c)", ")" };
	int dir = process_open("/proc", getpid(), 0);
	uint64_t start, again;
	uint32_t uid, gid;
	char comm[17];

	(void)state;
	assert_int_equal(process_start(dir, &start), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
		assert_int_equal(process_start(dir, &again), 0);
		assert_int_equal(again, start);
		assert_int_equal(process_owner(dir, &uid, &gid), 0);
		assert_int_equal(uid, getuid());
		assert_int_equal(gid, getgid());
		assert_int_equal(process_comm(dir, comm, sizeof(comm)), 0);
		assert_string_equal(comm, names[i]);
	}
	assert_int_equal(prctl(PR_SET_NAME, "test_process"), 0);
	(void)close(dir);
}

static void the_real_user_is_told(void **state)
{
	int hold[2], ready[2];
	uint32_t uid, gid;
	pid_t pid;
	char byte;
	int dir;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(hold), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(hold[1]);
		if (setresgid(30001, 30002, 30003) == 0 && setresuid(30001, 0, 0) == 0 &&
		    write(ready[1], "x", 1) == 1 && read(hold[0], &byte, 1) == 0)
			_exit(0);
		_exit(1);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	dir = process_open("/proc", pid, 0);
	assert_int_equal(process_owner(dir, &uid, &gid), 0);
	assert_int_equal(uid, 30001);
	assert_int_equal(gid, 30001);
	(void)close(dir);
	(void)close(hold[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(hold[0]);
	(void)close(ready[0]);
}

static void files_longer_than_the_room_are_cut(void **state)
{
	int dir = process_open("/proc", getpid(), 0);
	char text[5];

	(void)state;
	assert_int_equal(process_read(dir, "status", text, sizeof(text)), 4);
	assert_string_equal(text, "Name");
	assert_int_equal(process_read(dir, "no-such-file", text, sizeof(text)), -ENOENT);
	(void)close(dir);
}

static void namespaces_have_an_inode_and_a_kind(void **state)
{
	int dir = process_open("/proc", getpid(), 0);
	uint64_t ino;
	struct stat st;

	(void)state;
	assert_int_equal(fstatat(dir, "ns/net", &st, 0), 0);
	assert_int_equal(process_namespace(dir, "ns/net", "net", &ino), 0);
	assert_int_equal(ino, st.st_ino);
	assert_int_equal(process_namespace(dir, "ns/net", "mnt", &ino), -ENOENT);
	assert_int_equal(process_namespace(dir, "exe", "net", &ino), -ENOENT);
	assert_int_equal(process_namespace(dir, "status", "net", &ino), -EINVAL);
	(void)close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_start_time_tells_one_from_another),
		cmocka_unit_test(an_open_directory_stays_with_its_process),
		cmocka_unit_test(a_zombie_is_gone),
		cmocka_unit_test(numbers_that_are_none_are_refused),
		cmocka_unit_test(a_name_cannot_forge_fields),
		cmocka_unit_test(the_real_user_is_told),
		cmocka_unit_test(files_longer_than_the_room_are_cut),
		cmocka_unit_test(namespaces_have_an_inode_and_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
