/* SPDX-License-Identifier: Apache-2.0 */
/* The stock of stamped sockets: asked ahead, in line, bounded, none lost and none leaked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "upstream/stock.h"

struct fixture {
	struct loop *loop;
	struct stock stock;
	unsigned questions, wanted; /* of AF_INET */
	unsigned questions6;
	bool at_once;
	int error_at_once; /* answer with none */
};

struct waiter {
	struct stock_wait wait;
	unsigned calls;
	int fd;
	struct fixture *again; /* waits again when it got none */
};

static void give(struct fixture *f, unsigned n)
{
	int fds[16];

	for (unsigned i = 0; i < n; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stock_give(&f->stock, AF_INET, fds, n);
}

static void on_need(void *ctx, int family, unsigned count)
{
	struct fixture *f = ctx;

	if (family == AF_INET6) {
		f->questions6++;
		return;
	}
	f->questions++;
	f->wanted = count;
	if (f->at_once)
		give(f, count);
	else if (f->error_at_once)
		stock_give(&f->stock, AF_INET, NULL, 0);
}

static void on_socket(struct stock_wait *w, int fd)
{
	struct waiter *me = container_of(w, struct waiter, wait);

	me->calls++;
	me->fd = fd;
	if (fd < 0 && me->again && me->calls < 3)
		stock_await(&me->again->stock, AF_INET, w, on_socket);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = loop_new();
	stock_init(&f->stock, f->loop, on_need, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stock_done(&f->stock);
	loop_free(f->loop);
	free(f);
	return 0;
}

static int take(struct fixture *f)
{
	int fd = stock_take(&f->stock, AF_INET);

	if (fd >= 0)
		close(fd);
	return fd;
}

static void on_stop(struct timer *t)
{
	loop_stop(t->loop);
}

static void test_first_ones_are_asked_for_ahead(void **state)
{
	struct fixture *f = *state;
	struct timer t = { .loop = NULL };

	assert_int_equal(f->questions, 0);
	timer_start(&t, f->loop, 0, on_stop);
	loop_run(f->loop);
	assert_int_equal(f->questions, 1);
	assert_int_equal(f->questions6, 1);
	assert_int_equal(f->wanted, STOCK_MAX);
}

static void test_empty_says_so_and_asks_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f), -EAGAIN);
	assert_int_equal(take(f), -EAGAIN);
	assert_int_equal(f->questions, 1);
	give(f, f->wanted);
	for (unsigned i = 0; i < STOCK_MAX - STOCK_LOW; i++)
		assert_true(take(f) >= 0);
	assert_int_equal(f->questions, 1);
	assert_true(take(f) >= 0); /* before it is empty, more are asked for */
	assert_int_equal(f->questions, 2);
	assert_int_equal(f->wanted, STOCK_MAX - STOCK_LOW);
}

static void test_answer_within_the_question(void **state)
{
	struct fixture *f = *state;

	f->at_once = true;
	assert_true(take(f) >= 0);
	assert_int_equal(f->questions, 1);
}

static void test_waiters_are_served_in_line(void **state)
{
	struct fixture *f = *state;
	struct waiter w[3] = { { .calls = 0 } };

	for (unsigned i = 0; i < 3; i++)
		stock_await(&f->stock, AF_INET, &w[i].wait, on_socket);
	give(f, 2);
	assert_int_equal(w[0].calls, 1);
	assert_int_equal(w[1].calls, 1);
	assert_int_equal(w[2].calls, 0);
	assert_int_equal(f->questions, 2); /* too few came, so again */
	give(f, 1);
	assert_int_equal(w[2].calls, 1);
	for (unsigned i = 0; i < 3; i++)
		close(w[i].fd);
}

static void test_cancelled_waiter_gets_nothing(void **state)
{
	struct fixture *f = *state;
	struct waiter w[3] = { { .calls = 0 } };

	for (unsigned i = 0; i < 3; i++)
		stock_await(&f->stock, AF_INET, &w[i].wait, on_socket);
	stock_cancel(&w[1].wait);
	stock_cancel(&w[2].wait);
	stock_cancel(&w[2].wait);
	stock_await(&f->stock, AF_INET, &w[2].wait, on_socket);
	give(f, 2);
	assert_int_equal(w[0].calls, 1);
	assert_int_equal(w[1].calls, 0);
	assert_int_equal(w[2].calls, 1);
	close(w[0].fd);
	close(w[2].fd);
}

static void test_none_to_be_had_fails_who_waits(void **state)
{
	struct fixture *f = *state;
	struct waiter w[2] = { { .calls = 0 } };

	for (unsigned i = 0; i < 2; i++)
		stock_await(&f->stock, AF_INET, &w[i].wait, on_socket);
	stock_give(&f->stock, AF_INET, NULL, 0);
	assert_int_equal(w[0].fd, -ENOBUFS);
	assert_int_equal(w[1].fd, -ENOBUFS);
	assert_int_equal(take(f), -EAGAIN); /* and the next may ask again */
	assert_int_equal(f->questions, 2);
}

/* Who waits again from within the answer is not told twice by the same one. */
static void test_waiting_again_asks_again(void **state)
{
	struct fixture *f = *state;
	struct waiter w = { .again = f };

	stock_await(&f->stock, AF_INET, &w.wait, on_socket);
	stock_give(&f->stock, AF_INET, NULL, 0);
	assert_int_equal(w.calls, 1);
	assert_int_equal(f->questions, 2);
	f->error_at_once = 1;
	stock_give(&f->stock, AF_INET, NULL, 0);
	assert_int_equal(w.calls, 3);
}

static void test_too_many_are_closed(void **state)
{
	struct fixture *f = *state;
	int fds[STOCK_MAX + 2];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stock_give(&f->stock, AF_INET, fds, ARRAY_SIZE(fds));
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		assert_int_equal(fcntl(fds[i], F_GETFD) < 0, i >= STOCK_MAX);
}

static void test_returned_socket_is_used_again(void **state)
{
	struct fixture *f = *state;
	struct waiter w = { .calls = 0 };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	stock_return(&f->stock, AF_INET, fd);
	assert_int_equal(stock_take(&f->stock, AF_INET), fd);
	stock_await(&f->stock, AF_INET, &w.wait, on_socket);
	stock_return(&f->stock, AF_INET, fd);
	assert_int_equal(w.fd, fd);
	close(fd);
}

static void test_families_are_apart(void **state)
{
	struct fixture *f = *state;

	give(f, 1);
	assert_int_equal(stock_take(&f->stock, AF_INET6), -EAGAIN);
	assert_int_equal(f->questions6, 1);
	assert_true(take(f) >= 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(first_ones_are_asked_for_ahead), T(empty_says_so_and_asks_once),
		T(answer_within_the_question),	   T(waiters_are_served_in_line),
		T(cancelled_waiter_gets_nothing),  T(none_to_be_had_fails_who_waits),
		T(waiting_again_asks_again),	   T(too_many_are_closed),
		T(returned_socket_is_used_again),  T(families_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
