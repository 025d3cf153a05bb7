/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups of `egret run`: who is moved, who is not, and that nothing is left. As root, on cgroup2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/runs.h"
#include "dataplane/cgroup.h"

#define PATIENCE_US 10000000u

static char cgroup[300];
static struct loop *loop;
static struct runs *runs;
static char prepared[600]; /* the last that on_new was told of */

static bool has_process(const char *dir)
{
	char file[400], text[16];
	_cleanup_close_ int fd = -EBADF;

	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", dir);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	return read(fd, text, sizeof(text)) > 0;
}

static void on_new(void *ctx, const char *dir)
{
	(void)ctx;
	assert_int_equal(access(dir, F_OK), 0);
	assert_false(has_process(dir));
	(void)snprintf(prepared, sizeof(prepared), "%s", dir);
}

static int open_runs(void)
{
	const struct runs_opts o = { .loop = loop, .cgroup = cgroup, .on_new = on_new };
	struct diag d;

	return runs_new(&o, &d, &runs);
}

static int set_up(void **state)
{
	char mount[200];

	(void)state;
	if (cgroup_mount(mount, sizeof(mount)) < 0)
		return -1;
	(void)snprintf(cgroup, sizeof(cgroup), "%s/egret-test-runs-%d", mount, (int)getpid());
	loop = loop_new();
	return mkdir(cgroup, 0755) == 0 && loop && open_runs() == 0 ? 0 : -1;
}

static void remove_below(const char *name)
{
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	(void)rmdir(path);
}

static int tear_down(void **state)
{
	(void)state;
	runs = runs_free(runs);
	loop = loop_free(loop);
	remove_below("egret/run/w");
	remove_below("egret/run");
	remove_below("egret");
	return rmdir(cgroup);
}

static pid_t start_process(uid_t uid, int *ret_pidfd)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (uid && setresuid(uid, uid, uid) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pid;
}

static void end_process(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool is_member(const char *path, pid_t pid)
{
	char file[700], text[4096] = "";
	char number[16];
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	(void)snprintf(number, sizeof(number), "%d\n", (int)pid);
	f = fopen(file, "r");
	if (!f)
		return false;
	(void)!fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	return strstr(text, number);
}

static void on_patience(struct timer *t)
{
	fail_msg("a cgroup was not removed in time");
	(void)t;
}

static struct timer check;

static void on_check(struct timer *t)
{
	if (runs_count(runs) == 0)
		loop_stop(loop);
	else
		timer_start(t, loop, 1000, on_check);
}

static void wait_until_none_is_left(void)
{
	struct timer patience = { 0 };

	timer_start(&patience, loop, PATIENCE_US, on_patience);
	timer_start(&check, loop, 0, on_check);
	loop_run(loop);
	timer_stop(&patience);
}

static void a_process_gets_a_cgroup_of_its_own_until_it_ends(void **state)
{
	char a[600], b[600];
	struct stat st;
	int fd_a, fd_b;
	pid_t one = start_process(0, &fd_a), two = start_process(0, &fd_b);

	(void)state;
	assert_int_equal(runs_enter(runs, "w", one, fd_a, 0, a, sizeof(a)), 0);
	assert_int_equal(runs_enter(runs, "w", two, fd_b, 0, b, sizeof(b)), 0);
	assert_string_not_equal(a, b);
	assert_string_equal(prepared, b);
	assert_true(is_member(a, one) && is_member(b, two));
	assert_int_equal(stat(a, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 022, 0);
	assert_int_equal(runs_count(runs), 2);
	end_process(one);
	end_process(two);
	wait_until_none_is_left();
	assert_int_equal(stat(a, &st), -1);
	assert_int_equal(stat(b, &st), -1);
	(void)close(fd_a);
	(void)close(fd_b);
}

static void a_process_that_has_ended_is_not_mistaken(void **state)
{
	char path[600];
	int pidfd, other;
	pid_t gone = start_process(0, &pidfd), alive = start_process(0, &other);

	(void)state;
	end_process(gone);
	/* The number now means another process: the pidfd knows better. */
	assert_int_equal(runs_enter(runs, "w", alive, pidfd, 0, path, sizeof(path)), -ESRCH);
	assert_false(is_member(path, alive));
	assert_int_equal(runs_count(runs), 0);
	end_process(alive);
	(void)close(pidfd);
	(void)close(other);
}

static void without_a_pidfd_the_user_must_be_right(void **state)
{
	char path[600];
	int pidfd;
	pid_t pid = start_process(12345, &pidfd);

	(void)state;
	assert_int_equal(runs_enter(runs, "w", pid, -EBADF, 54321, path, sizeof(path)), -ESRCH);
	assert_int_equal(runs_enter(runs, "w", pid, -EBADF, 12345, path, sizeof(path)), 0);
	assert_true(is_member(path, pid));
	end_process(pid);
	wait_until_none_is_left();
	(void)close(pidfd);
}

static void who_is_in_one_is_known(void **state)
{
	char mount[200], base[400], path[600], own[64];
	int pidfd;
	pid_t pid = start_process(12345, &pidfd);

	(void)state;
	assert_int_equal(cgroup_mount(mount, sizeof(mount)), 0);
	assert_int_equal(strncmp(runs_base(runs), mount, strlen(mount)), 0);
	(void)snprintf(base, sizeof(base), "%s", runs_base(runs) + strlen(mount));
	assert_int_equal(runs_workload_of(base, pid, own, sizeof(own)), 0);
	assert_int_equal(runs_enter(runs, "w", pid, pidfd, 12345, path, sizeof(path)), 0);
	assert_int_equal(runs_workload_of(base, pid, own, sizeof(own)), 1);
	assert_string_equal(own, "w");
	base[strlen(base) - 1] = '\0'; /* "/egret/ru" is not above it */
	assert_int_equal(runs_workload_of(base, pid, own, sizeof(own)), 0);
	end_process(pid);
	assert_true(runs_workload_of(base, pid, own, sizeof(own)) < 0);
	wait_until_none_is_left();
	(void)close(pidfd);
}

static void what_an_earlier_daemon_left_is_found(void **state)
{
	char path[600], empty[700];
	struct stat st;
	int pidfd;
	pid_t pid = start_process(0, &pidfd);

	(void)state;
	assert_int_equal(runs_enter(runs, "w", pid, pidfd, 0, path, sizeof(path)), 0);
	(void)snprintf(empty, sizeof(empty), "%s/egret/run/w/empty", cgroup);
	assert_int_equal(mkdir(empty, 0755), 0);
	runs = runs_free(runs);
	assert_int_equal(open_runs(), 0);
	assert_int_equal(stat(empty, &st), -1);
	assert_int_equal(runs_count(runs), 1);
	assert_true(is_member(path, pid));
	end_process(pid);
	wait_until_none_is_left();
	(void)close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_gets_a_cgroup_of_its_own_until_it_ends),
		cmocka_unit_test(a_process_that_has_ended_is_not_mistaken),
		cmocka_unit_test(without_a_pidfd_the_user_must_be_right),
		cmocka_unit_test(who_is_in_one_is_known),
		cmocka_unit_test(what_an_earlier_daemon_left_is_found),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
