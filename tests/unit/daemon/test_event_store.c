/* SPDX-License-Identifier: Apache-2.0 */
/* Events while there is no recorder: they wait for the next, in order and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/event_store.h"
#include "event/channel.h"
#include "event/loop.h"

static struct loop *loop;
static struct channel *ours, *theirs;
static unsigned heard, last, wanted;

static void on_msg(struct channel *ch, void *ctx, struct msg *m)
{
	struct eg_note note;

	(void)ch;
	(void)ctx;
	assert_int_equal(m->type, EG_MSG_event);
	assert_int_equal(m->body.n, sizeof(note));
	memcpy(&note, m->body.p, sizeof(note));
	assert_int_equal(note.pid, last + 1);
	last = note.pid;
	if (++heard == wanted)
		loop_stop(loop);
}

static void on_close(struct channel *ch, void *ctx, int error)
{
	(void)ch;
	(void)ctx;
	(void)error;
	fail();
}

static int set_up(void **state)
{
	struct channel_opts opts = { .peer_role = EG_RECORDER,
				     .on_msg = on_msg,
				     .on_close = on_close };
	int fds[2];

	(void)state;
	heard = last = 0;
	loop = loop_new();
	if (!loop || channel_pair(fds) < 0 || channel_new(loop, fds[0], &opts, &ours) < 0)
		return -1;
	opts.peer_role = EG_MONITOR;
	return channel_new(loop, fds[1], &opts, &theirs);
}

static int tear_down(void **state)
{
	(void)state;
	ours = channel_free(ours);
	theirs = channel_free(theirs);
	loop = loop_free(loop);
	return 0;
}

static void hear(unsigned until)
{
	wanted = until;
	if (heard < until)
		loop_run(loop);
	assert_int_equal(heard, until);
}

static void put(struct event_store *s, struct channel *recorder, unsigned number)
{
	const struct eg_note note = { .pid = number };

	event_store_put(s, recorder, &note);
}

static void they_wait_for_the_next_recorder(void **state)
{
	struct event_store *s;

	(void)state;
	assert_int_equal(event_store_new(&s), 0);
	put(s, ours, 1);
	put(s, NULL, 2);
	put(s, NULL, 3);
	hear(1);
	event_store_flush(s, ours);
	put(s, ours, 4);
	hear(4);
	(void)event_store_free(s);
}

static void no_more_than_so_many_wait(void **state)
{
	struct event_store *s;

	(void)state;
	assert_int_equal(event_store_new(&s), 0);
	for (unsigned i = 1; i <= EVENT_STORE_MAX + 10; i++)
		put(s, NULL, i);
	event_store_flush(s, ours);
	hear(EVENT_STORE_MAX);
	last = EVENT_STORE_MAX + 99; /* the next that comes was put afterwards */
	put(s, ours, EVENT_STORE_MAX + 100);
	hear(EVENT_STORE_MAX + 1);
	(void)event_store_free(s);
}

static void what_still_waits_is_freed(void **state)
{
	struct event_store *s;

	(void)state;
	assert_int_equal(event_store_new(&s), 0);
	put(s, NULL, 1);
	assert_null(event_store_free(s));
	assert_null(event_store_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_wait_for_the_next_recorder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_so_many_wait, set_up, tear_down),
		cmocka_unit_test(what_still_waits_is_freed),
	};

	log_setup("test", LOG_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
