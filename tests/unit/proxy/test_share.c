/* SPDX-License-Identifier: Apache-2.0 */
/* No workload takes all of a worker: bodies that are kept have a bound together and for each
 * cgroup, and must come in at a least rate. */
#include <poll.h>

#include "tests/unit/proxy/each.h"

#define PIECE 100000u /* takes a buffer of 192 KiB */

static struct rig_end many[4];

static void open_in(struct rig_end *e, uint64_t cgroup)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.cgroup = cgroup;
	rig_connect_flow(&rig, e, &flow);
	assert_int_equal(rig_handshake(e, rig.client_ctx, RIG_HOST), 1);
}

/* Most of a request that is read to decide. */
static void send_part(struct rig_end *e)
{
	static char part[PIECE];

	memset(part, ' ', sizeof(part));
	rig_send(e, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		    "\r\ncontent-length: 200000\r\n\r\n");
	rig_send_n(e, part, sizeof(part));
}

static void look_at_bodies(void *arg)
{
	*(uint64_t *)arg = rig.w->shares.body_bytes;
}

static uint64_t body_bytes(void)
{
	uint64_t n;

	rig_do(&rig.at_worker, look_at_bodies, &n);
	return n;
}

static void until_bodies(uint64_t least, uint64_t most)
{
	for (int i = 0; i < RIG_LIMIT_S * 1000; i++) {
		uint64_t n = body_bytes();

		if (n >= least && n <= most)
			return;
		(void)poll(NULL, 0, 1);
	}
	fail_msg("bodies take %llu", (unsigned long long)body_bytes());
}

static void kept_bodies_have_a_bound_for_a_cgroup(void **state)
{
	(void)state;
	each_again("\"bodies_bytes\":900000"); /* a quarter: one of them */
	open_in(&many[0], 5);
	send_part(&many[0]);
	until_bodies(PIECE, 250000);
	open_in(&many[1], 5);
	send_part(&many[1]);
	rig_until(&many[1], "egret-reason: overloaded");
	assert_int_equal(rig_record(&rig).decision, EG_REASON_overloaded);
	open_in(&many[2], 6); /* another has its own */
	send_part(&many[2]);
	until_bodies(2 * (uint64_t)PIECE, 500000);
	for (int i = 0; i < 3; i++)
		rig_close(&many[i]);
	until_bodies(0, 0);
}

static void kept_bodies_have_a_bound_in_all(void **state)
{
	(void)state;
	each_again("\"bodies_bytes\":900000");
	for (int i = 0; i < 4; i++)
		open_in(&many[i], 10 + (unsigned)i);
	for (int i = 0; i < 4; i++)
		send_part(&many[i]);
	until_bodies(4 * (uint64_t)PIECE, 900000);
	open_in(&c, 20);
	send_part(&c);
	rig_until(&c, "egret-reason: overloaded");
	for (int i = 0; i < 4; i++)
		rig_close(&many[i]);
	rig_close(&c);
	until_bodies(0, 0);
}

/* The parser holds a long value once more: that counts as well. */
static void what_the_parser_holds_counts(void **state)
{
	static char part[PIECE];

	(void)state;
	memset(part, '7', sizeof(part));
	memcpy(part, "{\"model\":\"", 10);
	each_again("\"bodies_bytes\":900000"); /* a quarter: the body alone, 192 KiB */
	open_in(&many[0], 5);
	rig_send(&many[0], "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
			   "\r\ncontent-length: 200000\r\n\r\n");
	rig_send_n(&many[0], part, sizeof(part));
	rig_until(&many[0], "egret-reason: overloaded");
	assert_int_equal(rig_record(&rig).decision, EG_REASON_overloaded);
	until_bodies(0, 0);
	rig_close(&many[0]);
}

/* A long answer does not hold the body it answers. */
static void kept_body_goes_with_the_answer(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, "\"messages\":[]}");
	assert_int_not_equal(body_bytes(), 0);
	rig_send(&u, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
	rig_until(&c, "ok\r\n");
	assert_int_equal(body_bytes(), 0);
	rig_send(&u, "0\r\n\r\n");
	rig_until(&c, "0\r\n\r\n");
	rig_close(&c);
	rig_close(&u);
}

/* A byte now and then is not a body that arrives. */
static void body_must_come_at_a_rate(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int sent;

	(void)state;
	each_again("\"body_ms\":300");
	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 1000\r\n\r\n");
	p.fd = c.fd;
	/* The session tickets are read by the way. */
	for (sent = 0; sent < 60 && !strstr(c.text, "\r\n\r\n"); sent++) {
		rig_send(&c, " ");
		if (poll(&p, 1, 50) == 1) {
			struct timeval tv = { .tv_usec = 10000 };

			(void)setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
			(void)rig_more(&c);
			c.text[c.n] = '\0';
		}
	}
	assert_non_null(strstr(c.text, "egret-reason: body_timeout"));
	assert_true(sent < 60);
	rig_close(&c);
}

/* Turned away: it ends before anything was said. */
static void assert_closed(struct rig_end *e)
{
	char b;

	errno = 0;
	assert_true(recv(e->fd, &b, 1, 0) <= 0);
	assert_true(errno != EAGAIN);
}

static void assert_open(struct rig_end *e)
{
	char b;

	assert_int_equal(recv(e->fd, &b, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void connect_in(struct rig_end *e, uint64_t cgroup)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.cgroup = cgroup;
	rig_connect_flow(&rig, e, &flow);
}

static void look_at_conns(void *arg)
{
	*(size_t *)arg = rig.w->conns.n;
}

static void until_conns(size_t wanted)
{
	size_t n = wanted + 1;

	for (int i = 0; i < RIG_LIMIT_S * 1000 && n != wanted; i++) {
		rig_do(&rig.at_worker, look_at_conns, &n);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(n, wanted);
}

static void cgroup_cannot_take_every_connection(void **state)
{
	static struct rig_end mine[16], theirs[16];

	(void)state;
	each_again("\"connections\":16");
	for (int i = 0; i < 14; i++) /* alone: all but an eighth */
		connect_in(&mine[i], 5);
	connect_in(&mine[14], 5);
	assert_closed(&mine[14]);
	rig_wait_note(&rig, EG_REASON_overloaded);
	connect_in(&theirs[0], 6);
	connect_in(&theirs[1], 6);
	assert_open(&theirs[1]);
	for (int i = 6; i < 15; i++)
		rig_close(&mine[i]);
	until_conns(8);
	rig_open(&rig, &c);
	rig_send(&c, "GET /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_until(&c, "\"code\""); /* so that it rests, as the 7th */
	connect_in(&mine[6], 5); /* not alone: half */
	connect_in(&mine[7], 5); /* one too many, and one is at rest */
	assert_int_equal(rig_ended(&c), 1);
	assert_open(&mine[6]);
	assert_open(&mine[7]);
	assert_open(&theirs[0]);
	for (int i = 0; i < 8; i++)
		rig_close(&mine[i]);
	rig_close(&theirs[0]);
	rig_close(&theirs[1]);
	rig_close(&c);
}

#define ABOVE 1000 /* id of the cgroup that those of one workload are below */

/* A cgroup of a workload's own making, below one below the root. */
static struct eg_flow below(uint64_t above, uint64_t cgroup)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.cgroup = cgroup;
	flow.ancestor[0] = above - 1;
	flow.ancestor[1] = above;
	flow.ancestor[2] = cgroup;
	return flow;
}

static void connect_below(struct rig_end *e, uint64_t above, uint64_t cgroup)
{
	struct eg_flow flow = below(above, cgroup);

	rig_connect_flow(&rig, e, &flow);
}

/* Sixteen cgroups have no more than one could have with three others beside it. */
static void cgroups_below_one_have_a_share_together(void **state)
{
	static struct rig_end mine[16], theirs[4];

	(void)state;
	each_again("\"connections\":16");
	for (int i = 0; i < 14; i++)
		connect_below(&mine[i], ABOVE, 2000 + (unsigned)i);
	connect_below(&mine[14], ABOVE, 2014); /* alone: all but an eighth */
	assert_closed(&mine[14]);
	rig_wait_note(&rig, EG_REASON_overloaded);
	connect_in(&theirs[0], 6);
	connect_below(&theirs[1], 1500, 3000);
	assert_open(&theirs[0]);
	assert_open(&theirs[1]);
	for (int i = 11; i < 14; i++)
		rig_close(&mine[i]);
	until_conns(13);
	connect_below(&mine[11], ABOVE, 2011); /* not alone: three quarters */
	connect_below(&mine[12], ABOVE, 2012);
	assert_closed(&mine[12]);
	assert_open(&mine[11]);
	connect_below(&theirs[2], 1500, 3001); /* others are below another */
	assert_open(&theirs[2]);
	for (int i = 0; i < 12; i++)
		rig_close(&mine[i]);
	for (int i = 0; i < 3; i++)
		rig_close(&theirs[i]);
	rig_close(&mine[12]);
	rig_close(&mine[14]);
	until_conns(0);
}

static void bodies_of_cgroups_below_one_have_a_share_together(void **state)
{
	(void)state;
	each_again("\"bodies_bytes\":900000"); /* a half: two of them */
	for (unsigned i = 0; i < 3; i++) {
		struct eg_flow flow = below(ABOVE, 2000 + i);

		rig_connect_flow(&rig, &many[i], &flow);
		assert_int_equal(rig_handshake(&many[i], rig.client_ctx, RIG_HOST), 1);
		send_part(&many[i]);
		if (i < 2)
			until_bodies((i + 1) * (uint64_t)PIECE, (i + 1) * (uint64_t)250000);
	}
	rig_until(&many[2], "egret-reason: overloaded");
	open_in(&many[3], 6); /* another has its own */
	send_part(&many[3]);
	until_bodies(3 * (uint64_t)PIECE, 750000);
	for (int i = 0; i < 4; i++)
		rig_close(&many[i]);
	until_bodies(0, 0);
}

/* One of its own at rest makes room, before one of another. */
static void own_idle_connection_goes_first(void **state)
{
	static struct rig_end mine[8];

	(void)state;
	each_again("\"connections\":16");
	open_in(&many[0], 6);
	for (int i = 0; i < 8; i++)
		open_in(&mine[i], 5);
	open_in(&c, 5);
	assert_int_equal(rig_ended(&mine[0]), 1);
	rig_post(&many[0], RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_answer(&u, &many[0]);
	for (int i = 0; i < 8; i++)
		rig_close(&mine[i]);
	rig_close(&many[0]);
	rig_close(&c);
	rig_close(&u);
}

/* The rig's slab has 64 slots; requests that wait hold one each. */
static void cgroup_cannot_take_every_record(void **state)
{
	static struct rig_end mine[33];

	(void)state;
	open_in(&many[0], 6);
	for (int i = 0; i < 33; i++) {
		open_in(&mine[i], 5);
		rig_send(&mine[i], "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
				   "\r\ncontent-length: 100\r\n\r\n");
	}
	rig_until(&mine[32], "egret-reason: overloaded");
	rig_post(&many[0], RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_answer(&u, &many[0]);
	assert_int_equal(rig_record(&rig).decision, EG_REASON_allowed);
	rig_close(&mine[0]);
	assert_int_equal(rig_record(&rig).end, EG_REASON_client_gone);
	for (int i = 1; i < 32; i++)
		rig_close(&mine[i]);
	rig_close(&mine[32]);
	rig_close(&many[0]);
	rig_close(&u);
}

static bool shakes_as(const struct eg_flow *flow, const char *host)
{
	bool done;

	rig_connect_flow(&rig, &c, flow);
	done = rig_handshake(&c, rig.client_ctx, host) == 1;
	rig_close(&c);
	return done;
}

static bool shakes(uint64_t cgroup, const char *host)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.cgroup = cgroup;
	return shakes_as(&flow, host);
}

static void nor_can_cgroups_below_one_together(void **state)
{
	unsigned made = 0;
	char host[64];

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct eg_flow flow = below(ABOVE, 2000 + i);

		(void)snprintf(host, sizeof(host), "z%u.api.openai.com", i);
		made += shakes_as(&flow, host);
	}
	assert_int_equal(made, 32);
	assert_true(shakes(6, "y.api.openai.com"));
}

/* Each would cost a key and a signature, and push out somebody's certificate. */
static void cgroup_cannot_make_up_names(void **state)
{
	char host[64];

	(void)state;
	for (int i = 0; i < 30; i++) {
		(void)snprintf(host, sizeof(host), "x%d.api.openai.com", i);
		assert_int_equal(shakes(5, host), i < 8);
	}
	assert_int_equal(rig.minted, 8);
	rig_wait_note(&rig, EG_REASON_overloaded);
	assert_in_range(rig.notes, 1, 16);
	assert_true(shakes(5, "x0.api.openai.com")); /* known */
	assert_true(shakes(5, RIG_HOST)); /* spelled out */
	assert_true(shakes(6, "y.api.openai.com"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroup_cannot_take_every_connection),
		cmocka_unit_test(cgroups_below_one_have_a_share_together),
		cmocka_unit_test(bodies_of_cgroups_below_one_have_a_share_together),
		cmocka_unit_test(own_idle_connection_goes_first),
		cmocka_unit_test(cgroup_cannot_take_every_record),
		cmocka_unit_test(cgroup_cannot_make_up_names),
		cmocka_unit_test(nor_can_cgroups_below_one_together),
		cmocka_unit_test(kept_bodies_have_a_bound_for_a_cgroup),
		cmocka_unit_test(kept_bodies_have_a_bound_in_all),
		cmocka_unit_test(what_the_parser_holds_counts),
		cmocka_unit_test(kept_body_goes_with_the_answer),
		cmocka_unit_test(body_must_come_at_a_rate),
	};

	return EACH_RUN(tests);
}
