/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that lives but does not answer. The set of children is made up here; the worker is this
 * program executed again, with the name of its behaviour.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/children.h"
#include "daemon/role.h"
#include "daemon/watchdog.h"

#define PATIENCE_US 20000000u
#define ASKS	    5u

/* ---- the worker ---- */

static struct eg_msg_header hear(void)
{
	struct pollfd p = { .fd = ROLE_CHANNEL_FD, .events = POLLIN };
	struct eg_msg_header h = { 0 };
	char data[EG_MSG_MAX];

	(void)poll(&p, 1, -1);
	if (recv(ROLE_CHANNEL_FD, data, sizeof(data), 0) < (ssize_t)sizeof(h))
		_exit(1);
	memcpy(&h, data, sizeof(h));
	return h;
}

static void say(struct eg_msg_header h)
{
	if (send(ROLE_CHANNEL_FD, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		_exit(2);
}

static int behave(const char *how)
{
	say((struct eg_msg_header){ .type = EG_MSG_ready });
	for (unsigned n = 0;; n++) {
		struct eg_msg_header h = hear();

		if (strcmp(how, "hangs") == 0)
			continue;
		if (n == ASKS)
			return 42; /* it was asked so often, and lived */
		say((struct eg_msg_header){ .type = h.type, .id = h.id | 0x80000000u });
	}
}

/* ---- the set ---- */

struct children {
	struct loop *loop;
	struct child *worker;
	char how[96];
};

size_t children_count(const struct children *c)
{
	(void)c;
	return 1;
}

struct child *children_at(const struct children *c, size_t i)
{
	assert_int_equal(i, 0);
	return c->worker;
}

static int on_started(void *ctx, struct child *c)
{
	(void)ctx;
	(void)c;
	return 0;
}

static void on_ready(void *ctx, struct child *c)
{
	(void)ctx;
	(void)c;
}

static void on_msg(void *ctx, struct child *c, struct msg *m)
{
	(void)ctx;
	(void)c;
	fail_msg("an unexpected message of type %u", m->type);
}

static void on_gone(void *ctx, struct child *c, const char *how, bool was_ready)
{
	struct children *set = ctx;

	(void)c;
	assert_true(was_ready);
	(void)snprintf(set->how, sizeof(set->how), "%s", how);
	loop_stop(set->loop);
}

static void on_patience(struct timer *t)
{
	(void)t;
	fail_msg("nothing happened in time");
}

/* How a worker that behaves so ends. */
static void watch(const char *how, uint64_t answer_us, struct children *set)
{
	static const struct child_events events = { on_started, on_ready, on_msg, on_gone };
	const char *argv[] = { "worker", how, NULL };
	const struct child_opts o = { .role = EG_WORKER,
				      .exe = "/proc/self/exe",
				      .argv = argv,
				      .ready_us = PATIENCE_US,
				      .events = &events,
				      .ctx = set };
	struct timer patience = { 0 };
	struct watchdog *dog;

	*set = (struct children){ .loop = loop_new() };
	assert_int_equal(child_new(set->loop, &o, &set->worker), 0);
	assert_int_equal(watchdog_new(set->loop, set, 1000, answer_us, &dog), 0);
	timer_start(&patience, set->loop, PATIENCE_US, on_patience);
	assert_int_equal(child_start(set->worker), 0);
	loop_run(set->loop);
	set->worker = child_free(set->worker);
	assert_null(watchdog_free(dog));
	timer_stop(&patience);
	set->loop = loop_free(set->loop);
}

static void one_that_does_not_answer_is_killed(void **state)
{
	struct children set;

	(void)state;
	watch("hangs", 50000, &set);
	assert_non_null(strstr(set.how, "signal 9"));
}

static void one_that_answers_lives(void **state)
{
	struct children set;

	(void)state;
	watch("answers", PATIENCE_US, &set);
	assert_string_equal(set.how, "exited with status 42");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_does_not_answer_is_killed),
		cmocka_unit_test(one_that_answers_lives),
	};

	if (argc > 1)
		return behave(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
