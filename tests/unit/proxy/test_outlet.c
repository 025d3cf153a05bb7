/* SPDX-License-Identifier: Apache-2.0 */
/* What is passed through goes on by a socket of its client's own network namespace. */
#include "tests/unit/proxy/each.h"

#define ELSEWHERE UINT64_C(4711)

static struct eg_flow flow_from(uint64_t netns, uint32_t provider, uint32_t flags)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.netns = netns;
	flow.provider = provider;
	flow.flags = flags;
	return flow;
}

static void say(const struct eg_flow *flow)
{
	rig_connect_flow(&rig, &c, flow);
	assert_int_equal(write(c.fd, "SSH-2.0-x\r\n", 11), 11);
}

static void hears_end(void)
{
	char byte;

	assert_true(recv(c.fd, &byte, 1, 0) <= 0);
	cleanup_close(&c.fd);
}

static void passes(void)
{
	struct pollfd p = { .fd = rig.listener, .events = POLLIN };
	char byte;
	int fd;

	assert_int_equal(poll(&p, 1, RIG_LIMIT_S * 1000), 1);
	fd = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC);
	rig_limit(fd);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'S');
	cleanup_close(&fd);
	cleanup_close(&c.fd);
}

static void of_its_own_namespace_none_is_asked_for(void **state)
{
	struct eg_flow flow = flow_from(rig.w->netns, 0, 0);

	(void)state;
	assert_int_not_equal(rig.w->netns, 0);
	say(&flow);
	passes();
	assert_int_equal(rig.lents, 0);
}

static void each_connection_asks_for_one(void **state)
{
	struct eg_flow flow = flow_from(ELSEWHERE, 0, 0);

	(void)state;
	for (unsigned i = 1; i < 4; i++) {
		say(&flow);
		passes();
		assert_int_equal(rig.lents, i);
		assert_int_equal(rig.lent.count, 1);
		assert_int_equal(rig.lent.netns, ELSEWHERE);
		assert_int_equal(rig.lent.family, AF_INET);
		assert_int_equal(rig.lent.is_governed, 0);
	}
}

static void where_none_can_be_had_it_ends(void **state)
{
	struct eg_flow flow = flow_from(ELSEWHERE, 0, 0);

	(void)state;
	rig.sockets_none = 1;
	say(&flow);
	hears_end();
}

static void who_goes_before_the_answer_leaves_nothing(void **state)
{
	struct eg_flow flow = flow_from(ELSEWHERE, 0, 0);
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	(void)state;
	rig.sockets_silent = 1;
	say(&flow);
	for (int i = 0; i < RIG_LIMIT_S * 1000 && !rig.lents; i++) {
		struct pollfd none = { .fd = -1 };

		(void)poll(&none, 1, 1);
	}
	assert_int_equal(rig.lents, 1);
	(void)setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	cleanup_close(&c.fd);
	/* The worker's end, with the question open, is each_stop()'s matter. */
	rig.sockets_silent = 0;
	say(&flow);
	passes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_its_own_namespace_none_is_asked_for),
		cmocka_unit_test(each_connection_asks_for_one),
		cmocka_unit_test(where_none_can_be_had_it_ends),
		cmocka_unit_test(who_goes_before_the_answer_leaves_nothing),
	};

	return EACH_RUN(tests);
}
