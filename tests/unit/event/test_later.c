/* SPDX-License-Identifier: Apache-2.0 */
/* What runs at the end of a turn: once, in order, and nothing that is armed waits for an event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "event/loop.h"

#define TURNS 5

struct work {
	struct later later;
	char name;
	unsigned left; /* so often it arms itself again */
	struct work *arms, *disarms;
};

static struct loop *loop;
static char ran[64];

static void on_later(struct later *l)
{
	struct work *w = container_of(l, struct work, later);

	ran[strlen(ran)] = w->name;
	if (w->left && w->left--)
		later_arm(&w->later, loop, on_later);
	if (w->arms)
		later_arm(&w->arms->later, loop, on_later);
	if (w->disarms)
		later_disarm(&w->disarms->later);
}

static void arm(struct work *w)
{
	later_arm(&w->later, loop, on_later);
}

static int set_up(void **state)
{
	(void)state;
	memset(ran, 0, sizeof(ran));
	loop = loop_new();
	return loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop = loop_free(loop);
	return 0;
}

static void each_runs_once_in_the_order_of_arming(void **state)
{
	struct work a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

	(void)state;
	arm(&b);
	arm(&a);
	arm(&b); /* it is already */
	arm(&c);
	loop_run(loop);
	assert_string_equal(ran, "bac");
	arm(&c);
	loop_run(loop);
	assert_string_equal(ran, "bacc");
}

static void one_that_is_disarmed_does_not_run(void **state)
{
	struct work a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c', .disarms = &b };

	(void)state;
	later_disarm(&a.later); /* was never armed */
	arm(&a);
	arm(&c);
	arm(&b);
	later_disarm(&a.later);
	loop_run(loop);
	assert_string_equal(ran, "c");
}

/* Else it would wait for whatever wakes the loop next. */
static void what_another_arms_runs_in_the_same_turn(void **state)
{
	struct work c = { .name = 'c' }, b = { .name = 'b', .arms = &c },
		    a = { .name = 'a', .arms = &b };

	(void)state;
	arm(&a);
	loop_run(loop);
	assert_string_equal(ran, "abc");
}

static void on_time(struct timer *t)
{
	(void)t;
	ran[strlen(ran)] = '!';
	loop_stop(loop);
}

/* And no timer, however near, must be what lets it run: this one is an hour away. */
static void one_that_arms_itself_runs_each_turn_and_the_loop_does_not_sleep(void **state)
{
	struct work a = { .name = 'a', .left = TURNS }, b = { .name = 'b', .arms = &a };
	struct work end = { .name = 'z', .left = 20 };
	struct timer hour = { 0 }, soon = { 0 };

	(void)state;
	timer_start(&hour, loop, 3600000000u, on_time);
	arm(&a);
	arm(&b);
	arm(&end);
	timer_start(&soon, loop, 0, on_time);
	loop_run(loop);
	timer_start(&soon, loop, 200000, on_time);
	loop_run(loop);
	/* All of them, long before the timer. */
	assert_int_equal(a.left, 0);
	assert_int_equal(end.left, 0);
	assert_int_equal(ran[strlen(ran) - 1], '!');
	timer_stop(&hour);
}

/* A write's reader may be what arms the next: the timer stands for any event. */
static void one_that_was_armed_by_an_event_after_it_had_run_does_not_wait(void **state)
{
	struct work a = { .name = 'a' };
	struct timer soon = { 0 };

	(void)state;
	arm(&a);
	timer_start(&soon, loop, 0, on_time);
	loop_run(loop);
	assert_string_equal(ran, "a!");
	arm(&a);
	timer_start(&soon, loop, 200000, on_time);
	loop_run(loop);
	assert_string_equal(ran, "a!a!");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_runs_once_in_the_order_of_arming, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_disarmed_does_not_run, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_another_arms_runs_in_the_same_turn, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_arms_itself_runs_each_turn_and_the_loop_does_not_sleep, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_was_armed_by_an_event_after_it_had_run_does_not_wait, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
