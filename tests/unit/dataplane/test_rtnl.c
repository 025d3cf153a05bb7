/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and the namespaces at their other ends, in network namespaces of this test. As root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/rtnl.h"

static struct rtnl *rtnl;
static pid_t other; /* a process in a namespace of its own */
static int other_fd;

struct seen {
	unsigned n, pairs, gone;
	struct rtnl_link last; /* named "v0" */
};

static void on_link(void *ctx, const struct rtnl_link *link)
{
	struct seen *s = ctx;

	s->n++;
	s->pairs += link->is_pair;
	s->gone += link->is_gone;
	if (strcmp(link->name, "v0") == 0)
		s->last = *link;
}

static void run(const char *command)
{
	char number[16];
	int status;
	pid_t pid;

	(void)snprintf(number, sizeof(number), "%d", (int)other);
	assert_int_equal(setenv("OTHER", number, 1), 0);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-ec", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int make(void **state)
{
	char path[64], byte;
	int ready[2];

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	other = fork();
	if (other == 0) {
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	if (other < 0 || read(ready[0], &byte, 1) != 1)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)other);
	other_fd = open(path, O_RDONLY | O_CLOEXEC);
	return other_fd < 0 ? -1 : rtnl_open(&rtnl);
}

static int clean(void **state)
{
	(void)state;
	rtnl = rtnl_close(rtnl);
	(void)close(other_fd);
	(void)kill(other, SIGKILL);
	return waitpid(other, NULL, 0) == other ? 0 : -1;
}

static void the_other_end_names_its_namespace(void **state)
{
	struct seen seen = { 0 };
	int32_t nsid = -7;

	(void)state;
	run("ip link add v0 type veth peer name v1 netns $OTHER");
	assert_int_equal(rtnl_list(rtnl, on_link, &seen), 0);
	assert_true(seen.n >= 2); /* lo */
	assert_int_equal(seen.pairs, 1);
	assert_int_equal(rtnl_nsid(rtnl, other_fd, &nsid), 0);
	assert_true(nsid >= 0);
	assert_int_equal(seen.last.peer_nsid, nsid);
	assert_int_equal(rtnl_nsid(rtnl, other_fd, &nsid), 0); /* the same again */
	assert_int_equal(seen.last.peer_nsid, nsid);
}

static void a_pair_within_one_namespace_leads_nowhere(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	run("ip link add v0 type veth peer name v1");
	assert_int_equal(rtnl_list(rtnl, on_link, &seen), 0);
	assert_int_equal(seen.pairs, 2);
	assert_int_equal(seen.last.peer_nsid, -1);
}

static void devices_are_told_as_they_come_move_and_go(void **state)
{
	struct seen seen = { 0 };
	int32_t nsid;

	(void)state;
	assert_int_equal(rtnl_drain(rtnl, 10, on_link, &seen), 0);
	run("ip link add v0 type veth peer name v1");
	assert_true(rtnl_drain(rtnl, 100, on_link, &seen) > 0);
	assert_int_equal(seen.last.peer_nsid, -1);
	run("ip link set v1 netns $OTHER && ip link set v0 up");
	assert_true(rtnl_drain(rtnl, 100, on_link, &seen) > 0);
	assert_int_equal(rtnl_nsid(rtnl, other_fd, &nsid), 0);
	assert_int_equal(seen.last.peer_nsid, nsid);
	seen.gone = 0;
	run("ip link del v0");
	assert_true(rtnl_drain(rtnl, 100, on_link, &seen) > 0);
	assert_true(seen.gone >= 1 && seen.last.is_gone);
}

static void what_was_lost_is_said(void **state)
{
	struct seen seen = { 0 };
	int small = 1, r;

	(void)state;
	assert_int_equal(setsockopt(rtnl_fd(rtnl), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)),
			 0);
	run("for i in 1 2 3 4 5 6 7 8 9; do ip link add d$i type veth peer name e$i; done");
	do
		r = rtnl_drain(rtnl, 1, on_link, &seen);
	while (r > 0);
	assert_int_equal(r, -ENOBUFS);
	seen.n = 0;
	assert_int_equal(rtnl_list(rtnl, on_link, &seen), 0);
	assert_int_equal(seen.n, 1 + 2 * 9);
}

static void what_is_no_namespace_is_refused(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct seen seen = { 0 };
	int32_t nsid = -7;

	(void)state;
	assert_true(rtnl_nsid(rtnl, fd, &nsid) < 0);
	assert_int_equal(nsid, -7);
	assert_int_equal(rtnl_list(rtnl, on_link, &seen), 0); /* nothing of it is left in between */
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_other_end_names_its_namespace, make, clean),
		cmocka_unit_test_setup_teardown(a_pair_within_one_namespace_leads_nowhere, make,
						clean),
		cmocka_unit_test_setup_teardown(devices_are_told_as_they_come_move_and_go, make,
						clean),
		cmocka_unit_test_setup_teardown(what_was_lost_is_said, make, clean),
		cmocka_unit_test_setup_teardown(what_is_no_namespace_is_refused, make, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
