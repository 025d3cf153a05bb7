/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that behave, die, hang, lie or will not stop: this program executed again with the name
 * of its behaviour. Times are bounds, never waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "daemon/child.h"
#include "daemon/role.h"

#define PATIENCE_US 20000000u

/* ---- in the child ---- */

static void say(uint16_t type)
{
	struct eg_msg_header h = { .type = type };

	if (send(ROLE_CHANNEL_FD, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		_exit(3);
}

/* The type of the next message; 0 when the channel has ended. */
static uint16_t hear(void)
{
	struct pollfd p = { .fd = ROLE_CHANNEL_FD, .events = POLLIN };
	char data[EG_MSG_MAX];
	struct eg_msg_header h = { 0 };

	(void)poll(&p, 1, -1);
	if (recv(ROLE_CHANNEL_FD, data, sizeof(data), 0) >= (ssize_t)sizeof(h))
		memcpy(&h, data, sizeof(h));
	return h.type;
}

static int behave(const char *how)
{
	if (hear() != EG_MSG_start)
		return 4;
	if (strcmp(how, "silent") == 0)
		for (;;)
			(void)pause();
	if (strcmp(how, "dies") == 0)
		return 7;
	say(EG_MSG_ready);
	if (strcmp(how, "lies") == 0)
		say(EG_MSG_policy); /* only the monitor may */
	if (strcmp(how, "inspects") == 0) {
		/* Nothing but 0-3 is open, and the environment is empty. */
		extern char **environ;
		struct rlimit files;
		struct stat st;

		for (int fd = 4; fd < 256; fd++)
			if (fstat(fd, &st) == 0)
				return 8;
		if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur != 123)
			return 9;
#ifndef __SANITIZE_ADDRESS__
		if (environ[0])
			return 10;
#endif
		if (getsid(0) != getpid())
			return 11;
		say(EG_MSG_note);
	}
	while (hear() != EG_MSG_stop || strcmp(how, "stays") == 0)
		if (strcmp(how, "stays") != 0 && hear() == 0)
			return 5;
	return 0;
}

/* ---- in the monitor ---- */

struct seen {
	struct loop *loop;
	struct child *child;
	struct timer patience;
	unsigned started, ready, gone, msgs;
	unsigned stop_at_gone; /* ends the loop at that many deaths */
	unsigned stop_at_ready;
	bool refuse; /* on_started fails */
	char how[96];
	bool was_ready;
	uint16_t type;
};

static int on_started(void *ctx, struct child *c)
{
	struct eg_start start = { .role = EG_WORKER };
	struct seen *s = ctx;

	s->started++;
	if (s->refuse)
		return -EIO;
	return channel_send(child_channel(c), EG_MSG_start, &start, sizeof(start), NULL, 0);
}

static void on_ready(void *ctx, struct child *c)
{
	struct seen *s = ctx;

	assert_int_equal(child_state(c), CHILD_READY);
	if (++s->ready == s->stop_at_ready)
		loop_stop(s->loop);
}

static void on_msg(void *ctx, struct child *c, struct msg *m)
{
	struct seen *s = ctx;

	(void)c;
	s->msgs++;
	s->type = m->type;
	loop_stop(s->loop);
}

static void on_gone(void *ctx, struct child *c, const char *how, bool was_ready)
{
	struct seen *s = ctx;

	assert_null(child_channel(c));
	assert_int_equal(child_pid(c), 0);
	(void)snprintf(s->how, sizeof(s->how), "%s", how);
	s->was_ready = was_ready;
	if (++s->gone == s->stop_at_gone)
		loop_stop(s->loop);
}

static void on_patience(struct timer *t)
{
	(void)t;
	fail_msg("nothing happened in time");
}

static const struct child_events events = { on_started, on_ready, on_msg, on_gone };

static void set_up(struct seen *s, const char *how, uint64_t ready_us)
{
	static const char *argv[3];
	struct child_opts o = { .role = EG_WORKER,
				.exe = "/proc/self/exe",
				.argv = argv,
				.ready_us = ready_us,
				.files_max = 123,
				.events = &events,
				.ctx = s };

	argv[0] = "child";
	argv[1] = how;
	*s = (struct seen){ .loop = loop_new() };
	assert_non_null(s->loop);
	assert_int_equal(child_new(s->loop, &o, &s->child), 0);
	timer_start(&s->patience, s->loop, PATIENCE_US, on_patience);
}

static void tear_down(struct seen *s)
{
	timer_stop(&s->patience);
	s->child = child_free(s->child);
	s->loop = loop_free(s->loop);
}

static void one_that_behaves_is_ready_and_stops(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "behaves", PATIENCE_US);
	s.stop_at_ready = 1;
	assert_int_equal(child_start(s.child), 0);
	assert_int_equal(child_state(s.child), CHILD_STARTING);
	loop_run(s.loop);
	assert_int_equal(s.ready, 1);
	s.stop_at_gone = 1;
	child_stop(s.child, 10000);
	loop_run(s.loop);
	assert_string_equal(s.how, "exited with status 0");
	assert_int_equal(child_state(s.child), CHILD_STOPPED);
	assert_int_equal(s.started, 1);
	tear_down(&s);
}

static void it_inherits_nothing(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "inspects", PATIENCE_US);
	s.stop_at_gone = 1;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	if (s.gone)
		fail_msg("it found something: %s", s.how);
	assert_int_equal(s.type, EG_MSG_note);
	tear_down(&s);
}

static void one_that_is_killed_is_replaced_within_a_second(void **state)
{
	static const int signals[] = { SIGKILL, SIGSEGV, SIGKILL };
	struct seen s;

	(void)state;
	set_up(&s, "behaves", PATIENCE_US);
	s.stop_at_ready = 1;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t old = child_pid(s.child);
		uint64_t before = clock_mono_us();

		s.stop_at_ready = s.ready + 1;
		assert_int_equal(kill(old, signals[i]), 0);
		loop_run(s.loop);
		assert_true(child_pid(s.child) != old);
		assert_true(s.was_ready);
		assert_true(clock_mono_us() - before < 1000000u);
		assert_int_equal(child_restarts(s.child), i + 1);
	}
	tear_down(&s);
}

static void one_that_keeps_dying_is_tried_again_ever_later(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "dies", PATIENCE_US);
	s.stop_at_gone = 4;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	assert_string_equal(s.how, "exited with status 7");
	assert_false(s.was_ready);
	assert_int_equal(s.started, 4);
	assert_int_equal(s.ready, 0);
	tear_down(&s);

	assert_int_equal(child_pause_us(1), 0);
	for (unsigned i = 1; i < 100; i++)
		assert_true(child_pause_us(i + 1) >= child_pause_us(i));
	assert_true(child_pause_us(2) + child_pause_us(3) + child_pause_us(4) < 1000000u);
	assert_int_equal(child_pause_us(1000), 10000000u);
}

static void one_that_says_nothing_is_killed(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "silent", 200000);
	s.stop_at_gone = 1;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	assert_non_null(strstr(s.how, "killed by signal 9"));
	tear_down(&s);
}

static void one_that_sends_what_it_may_not_is_killed(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "lies", PATIENCE_US);
	s.stop_at_gone = 1;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	assert_non_null(strstr(s.how, "killed by signal 9"));
	assert_int_equal(s.msgs, 0);
	tear_down(&s);
}

static void one_that_will_not_stop_is_killed_after_its_deadline(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "stays", PATIENCE_US);
	s.stop_at_ready = 1;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	s.stop_at_gone = 1;
	child_stop(s.child, 1);
	loop_run(s.loop);
	assert_non_null(strstr(s.how, "killed by signal 9"));
	assert_int_equal(child_state(s.child), CHILD_STOPPED);
	tear_down(&s);
}

static void one_that_cannot_be_told_is_replaced(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "behaves", PATIENCE_US);
	s.refuse = true;
	s.stop_at_gone = 2;
	assert_int_equal(child_start(s.child), -EIO);
	loop_run(s.loop);
	assert_int_equal(s.started, 2);
	tear_down(&s);
}

static void stopping_one_that_is_down_needs_no_process(void **state)
{
	struct seen s;

	(void)state;
	set_up(&s, "dies", PATIENCE_US);
	s.stop_at_gone = 2;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	assert_int_equal(child_state(s.child), CHILD_DOWN);
	child_stop(s.child, 1000);
	assert_int_equal(child_state(s.child), CHILD_STOPPED);
	assert_int_equal(s.gone, 2);
	tear_down(&s);
}

static void freeing_one_ends_its_process(void **state)
{
	struct seen s;
	pid_t pid;

	(void)state;
	set_up(&s, "stays", PATIENCE_US);
	s.stop_at_ready = 1;
	assert_int_equal(child_start(s.child), 0);
	loop_run(s.loop);
	pid = child_pid(s.child);
	tear_down(&s);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_behaves_is_ready_and_stops),
		cmocka_unit_test(it_inherits_nothing),
		cmocka_unit_test(one_that_is_killed_is_replaced_within_a_second),
		cmocka_unit_test(one_that_keeps_dying_is_tried_again_ever_later),
		cmocka_unit_test(one_that_says_nothing_is_killed),
		cmocka_unit_test(one_that_sends_what_it_may_not_is_killed),
		cmocka_unit_test(one_that_will_not_stop_is_killed_after_its_deadline),
		cmocka_unit_test(one_that_cannot_be_told_is_replaced),
		cmocka_unit_test(stopping_one_that_is_down_needs_no_process),
		cmocka_unit_test(freeing_one_ends_its_process),
	};

	if (argc > 1)
		return behave(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
