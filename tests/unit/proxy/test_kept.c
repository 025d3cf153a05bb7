/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker keeps is bounded, asked for once, and gone when it should be: principals, leases,
 * deadlines, ids; and what it says of itself. */
#include "proxy/attest.h"
#include "proxy/deadline.h"
#include "proxy/lease.h"
#include "tests/unit/proxy/each.h"

/* ---- principals: both ends of the channel on one loop ---- */

static struct loop *loop;
static struct channel *ours, *theirs;
static struct attest *attest;
static struct leases *leases;
static unsigned asked, told;
static uint32_t ids_asked[64];
static struct eg_principal last; /* copied: an answer is only lent */
static bool last_known;
static struct lease *last_lease;
static enum eg_reason last_reason;

static void on_question(struct channel *ch, void *ctx, struct msg *m)
{
	(void)ch;
	(void)ctx;
	ids_asked[asked++ % ARRAY_SIZE(ids_asked)] = m->id;
}

static void on_gone(struct channel *ch, void *ctx, int error)
{
	(void)ch;
	(void)ctx;
	(void)error;
}

static int pair_start(void **state)
{
	struct channel_opts o = { .on_msg = on_question, .on_close = on_gone };
	int fds[2];

	(void)state;
	asked = told = 0;
	last_known = false;
	last_lease = NULL;
	loop = loop_new();
	assert_int_equal(channel_pair(fds), 0);
	o.peer_role = EG_MONITOR | EG_VAULT;
	assert_int_equal(channel_new(loop, fds[0], &o, &ours), 0);
	o.peer_role = EG_WORKER;
	assert_int_equal(channel_new(loop, fds[1], &o, &theirs), 0);
	return 0;
}

static int pair_stop(void **state)
{
	(void)state;
	ours = channel_free(ours);
	theirs = channel_free(theirs);
	attest = attest_free(attest);
	leases = lease_free(leases);
	loop = loop_free(loop);
	return 0;
}

static void on_stop(struct timer *t)
{
	loop_stop(t->loop);
}

/* Until everything that was sent has arrived: what is sent because of something that came takes a
 * round of the loop more, however slow the machine is. */
static void turn(void)
{
	for (int round = 0; round < 4; round++) {
		struct timer t = { 0 };

		timer_start(&t, loop, 500, on_stop);
		loop_run(loop);
	}
}

static void answer(unsigned nth, uint32_t generation, uint32_t reason)
{
	struct eg_principal p = { .generation = generation, .workload = 1, .reason = reason };

	assert_int_equal(channel_reply(theirs, EG_MSG_attest, ids_asked[nth], &p, sizeof(p), NULL,
				       0, NULL, 0),
			 0);
	turn();
}

static void on_attested(void *ctx, struct attested *a)
{
	(void)ctx;
	told++;
	last_known = a != NULL;
	if (a)
		last = a->who;
}

static struct eg_flow process(uint32_t pid)
{
	return (struct eg_flow){ .tgid = pid, .start_ns = 1, .cgroup = 2 };
}

static void one_question_for_many(void **state)
{
	struct eg_flow f = process(1);
	struct attest_wait w[6] = { 0 };

	(void)state;
	assert_int_equal(attest_new(ours, 0, &attest), 0);
	attest_flush(attest, 7);
	for (size_t i = 0; i < 3; i++)
		attest_get(attest, &f, &w[i], on_attested, NULL);
	attest_cancel(&w[1]);
	turn();
	assert_int_equal(asked, 1);
	answer(0, 7, EG_REASON_allowed);
	assert_int_equal(told, 2);
	attest_get(attest, &f, &w[0], on_attested, NULL);
	assert_int_equal(told, 3);
	assert_int_equal(last.workload, 1);
	/* any part of the key makes another process */
	f.exe_ino = 9;
	attest_get(attest, &f, &w[0], on_attested, NULL);
	f.exe_ino = 0;
	f.uid = 9;
	attest_get(attest, &f, &w[1], on_attested, NULL);
	f.uid = 0;
	f.cgroup = 9;
	attest_get(attest, &f, &w[2], on_attested, NULL);
	f.cgroup = 2;
	f.gid = 9;
	attest_get(attest, &f, &w[3], on_attested, NULL);
	/* a socket that somebody else made is not what this process was asked about */
	f.gid = 0;
	f.sk_cgroup = 9;
	attest_get(attest, &f, &w[4], on_attested, NULL);
	f.flags = EG_FLOW_CGROUP_DIFFERS;
	attest_get(attest, &f, &w[5], on_attested, NULL);
	turn();
	assert_int_equal(asked, 7);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		attest_cancel(&w[i]);
}

static void old_answers_are_not_kept(void **state)
{
	struct eg_flow f = process(1);
	struct attest_wait w = { 0 };

	(void)state;
	assert_int_equal(attest_new(ours, 0, &attest), 0);
	attest_flush(attest, 7);
	attest_get(attest, &f, &w, on_attested, NULL);
	turn();
	attest_flush(attest, 8); /* while the question is under way */
	answer(0, 7, EG_REASON_allowed);
	assert_int_equal(told, 1);
	assert_int_equal(last.generation, 7); /* the asker sees of which */
	assert_int_equal(attest_count(attest), 0);
	attest_get(attest, &f, &w, on_attested, NULL);
	turn();
	assert_int_equal(asked, 2);
	answer(1, 8, EG_REASON_identity_unavailable);
	assert_int_equal(attest_count(attest), 0); /* trouble passes */
	attest_get(attest, &f, &w, on_attested, NULL);
	turn();
	answer(2, 8, EG_REASON_exe_mismatch);
	assert_int_equal(attest_count(attest), 1);
}

static void principals_are_bounded(void **state)
{
	struct attest_wait w = { 0 };
	struct eg_flow f;

	(void)state;
	assert_int_equal(attest_new(ours, 3, &attest), 0);
	attest_flush(attest, 1);
	for (uint32_t pid = 1; pid <= 10; pid++) {
		f = process(pid);
		attest_get(attest, &f, &w, on_attested, NULL);
		turn();
		answer(pid - 1, 1, EG_REASON_allowed);
		assert_true(attest_count(attest) <= 3);
	}
	/* the least recently used went */
	f = process(10);
	attest_get(attest, &f, &w, on_attested, NULL);
	assert_int_equal(told, 11);
	f = process(1);
	attest_get(attest, &f, &w, on_attested, NULL);
	assert_int_equal(told, 11);
	attest_cancel(&w);
}

static void monitor_dies_meanwhile(void **state)
{
	struct eg_flow f = process(1);
	struct attest_wait w = { 0 };

	(void)state;
	assert_int_equal(attest_new(ours, 0, &attest), 0);
	attest_get(attest, &f, &w, on_attested, NULL);
	last_known = true;
	theirs = channel_free(theirs);
	turn();
	assert_int_equal(told, 1);
	assert_false(last_known);
	attest_get(attest, &f, &w, on_attested, NULL);
	assert_int_equal(told, 2);
	assert_false(last_known);
}

/* ---- leases ---- */

static void on_revoked(void *ctx, struct slice credential)
{
	(void)ctx;
	(void)credential;
}

static void on_lease(void *ctx, struct lease *lease, enum eg_reason reason)
{
	(void)ctx;
	told++;
	last_lease = lease;
	last_reason = reason;
}

static void leases_are_bounded_and_shared(void **state)
{
	struct lease_want want = { .provider = SLICE("p"), .workload = SLICE("w") };
	struct lease_wait w[2] = { 0 };
	char id[16];

	(void)state;
	assert_int_equal(lease_new(loop, on_revoked, NULL, &leases), 0);
	want.credential = SLICE("x");
	lease_get(leases, &want, &w[0], on_lease, NULL);
	assert_int_equal(last_reason, EG_REASON_credential_unavailable); /* no vault yet */
	lease_set_vault(leases, ours);
	for (unsigned i = 0; i < 200; i++) {
		struct eg_leased l = { .n = 3, .generation = 1, .ttl_ms = 60000 };

		(void)snprintf(id, sizeof(id), "c%u", i);
		want.credential = slice_str(id);
		lease_get(leases, &want, &w[0], on_lease, NULL);
		lease_get(leases, &want, &w[1], on_lease, NULL);
		turn();
		assert_int_equal(asked, i + 1);
		assert_int_equal(channel_reply(theirs, EG_MSG_lease, ids_asked[i % 64], &l,
					       sizeof(l), "key", 3, NULL, 0),
				 0);
		turn();
		assert_int_equal(told, 1 + 2 * (i + 1));
		assert_true(slice_eq(secret_slice(&last_lease->key), SLICE("key")));
		assert_true(lease_count(leases) <= 128);
	}
}

/* A key that was read before the rotation is nobody's, however soon somebody asked. */
static void revoked_while_asked_for(void **state)
{
	struct eg_leased l = { .n = 3, .generation = 1, .ttl_ms = 60000 };
	struct lease_want want = { .provider = SLICE("p"), .workload = SLICE("w") };
	struct lease_wait w[2] = { 0 };

	(void)state;
	assert_int_equal(lease_new(loop, on_revoked, NULL, &leases), 0);
	lease_set_vault(leases, ours);
	lease_get(leases, &want, &w[0], on_lease, NULL);
	turn();
	assert_int_equal(asked, 1);
	lease_revoke(leases, 2);
	lease_get(leases, &want, &w[1], on_lease, NULL);
	assert_int_equal(
		channel_reply(theirs, EG_MSG_lease, ids_asked[0], &l, sizeof(l), "old", 3, NULL, 0),
		0);
	turn();
	turn();
	assert_int_equal(told, 0);
	assert_int_equal(asked, 2);
	l.generation = 2;
	assert_int_equal(
		channel_reply(theirs, EG_MSG_lease, ids_asked[1], &l, sizeof(l), "new", 3, NULL, 0),
		0);
	turn();
	assert_int_equal(told, 2);
	assert_true(slice_eq(secret_slice(&last_lease->key), SLICE("new")));
	lease_revoke(leases, 2);
	assert_int_equal(lease_count(leases), 1);
}

static void malformed_leases_are_none(void **state)
{
	static const struct eg_leased bad[] = { { .n = 0 }, { .n = 4 }, { .status = EIO, .n = 3 } };
	struct lease_want want = { .provider = SLICE("p"), .credential = SLICE("c") };
	struct lease_wait w = { 0 };

	(void)state;
	assert_int_equal(lease_new(loop, on_revoked, NULL, &leases), 0);
	lease_set_vault(leases, ours);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		lease_get(leases, &want, &w, on_lease, NULL);
		turn();
		assert_int_equal(channel_reply(theirs, EG_MSG_lease, ids_asked[i], &bad[i],
					       sizeof(bad[i]), "key", 3, NULL, 0),
				 0);
		turn();
		assert_null(last_lease);
		assert_int_equal(last_reason, EG_REASON_credential_unavailable);
		assert_int_equal(lease_count(leases), 0);
	}
}

/* ---- deadlines ---- */

static unsigned fired;

static void on_due(struct deadline *d)
{
	(void)d;
	fired++;
}

static void deadline_moves_both_ways(void **state)
{
	struct deadline d = { 0 };
	uint64_t now = loop_now_us(loop);

	(void)state;
	fired = 0;
	deadline_set(&d, loop, now, 1000, on_due);
	deadline_set(&d, loop, now, 60000000, on_due); /* later: the timer stays */
	turn();
	assert_int_equal(fired, 0);
	deadline_set(&d, loop, loop_now_us(loop), 500, on_due); /* sooner */
	turn();
	assert_int_equal(fired, 1);
	deadline_set(&d, loop, loop_now_us(loop), 500, on_due);
	deadline_clear(&d);
	turn();
	assert_int_equal(fired, 1);
	deadline_stop(&d);
}

static void ids_differ(void **state)
{
	struct ids a, b;
	uint8_t seen[1000][16], other[16];

	(void)state;
	assert_int_equal(ids_init(&a), 0);
	assert_int_equal(ids_init(&b), 0);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		ids_next(&a, seen[i]);
		ids_next(&b, other);
		assert_memory_not_equal(other, seen[i], 16);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(seen[k], seen[i], 8);
	}
}

/* ---- what it says of itself ---- */

struct asked_report {
	struct eg_conns q;
	sem_t done;
	char text[65536];
};

static void on_report(void *ctx, struct msg *m)
{
	struct asked_report *a = ctx;

	a->text[0] = '\0';
	if (m)
		(void)slice_copy(m->body, a->text, sizeof(a->text));
	sem_post(&a->done);
}

static void ask_report(void *arg)
{
	struct asked_report *a = arg;

	assert_int_equal(channel_call(rig.monitor, EG_MSG_conns, &a->q, sizeof(a->q), NULL, 0, NULL,
				      0, 0, on_report, a),
			 0);
}

static json_t *report(uint32_t rows, uint32_t from)
{
	static struct asked_report a;
	json_t *o;

	a.q = (struct eg_conns){ .want_rows = rows, .from = from };
	assert_int_equal(sem_init(&a.done, 0, 0), 0);
	rig_do(&rig.at_peers, ask_report, &a);
	while (sem_wait(&a.done) < 0)
		;
	sem_destroy(&a.done);
	o = json_loads(a.text, 0, NULL);
	assert_non_null(o);
	return o;
}

static long long number(json_t *o, const char *object, const char *name)
{
	return json_integer_value(json_object_get(object ? json_object_get(o, object) : o, name));
}

static void connections_are_reported(void **state)
{
	json_t *o, *row;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, "/v1/nothing", "", "{}");
	rig_until(&c, "unknown_operation");
	(void)rig_record(&rig);
	o = report(0, 0);
	assert_int_equal(number(o, "stats", "connections"), 1);
	assert_int_equal(number(o, "stats", "requests"), 1);
	assert_int_equal(number(o, "stats", "denied"), 1);
	assert_int_equal(json_array_size(json_object_get(o, "conns")), 0);
	json_decref(o);
	o = report(1, 0);
	row = json_array_get(json_object_get(o, "conns"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "host")), RIG_HOST);
	assert_string_equal(json_string_value(json_object_get(row, "provider")), "openai");
	assert_string_equal(json_string_value(json_object_get(row, "workload")), "app");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "open");
	assert_string_equal(json_string_value(json_object_get(row, "dst")), "127.0.0.1");
	assert_int_equal(number(row, NULL, "pid"), 42);
	assert_int_equal(number(row, NULL, "requests"), 1);
	json_decref(o);
	rig_close(&c);
}

static void long_reports_come_in_parts(void **state)
{
	static struct rig_end many[60];
	size_t seen = 0;
	uint32_t from = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		struct eg_flow flow = rig_flow(&rig);

		flow.cookie = i;
		rig_connect_flow(&rig, &many[i], &flow); /* in the state `hello` */
	}
	do {
		json_t *o = report(1, from);

		seen += json_array_size(json_object_get(o, "conns"));
		from = (uint32_t)number(o, NULL, "next");
		json_decref(o);
	} while (from);
	assert_int_equal(seen, ARRAY_SIZE(many));
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		rig_close(&many[i]);
}

/* Bytes that follow later would be taken for the answer to somebody else's request. */
static void answer_without_the_body_it_announces_is_the_last(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: " RIG_HOST "\r\nif-none-match: x\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\n");
	rig_send(&u, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n");
	rig_until(&c, "\r\n\r\n");
	(void)rig_ended(&u);
	rig_close(&u);
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	rig_close(&c);
}

int main(void)
{
	const struct CMUnitTest alone[] = {
		cmocka_unit_test_setup_teardown(one_question_for_many, pair_start, pair_stop),
		cmocka_unit_test_setup_teardown(old_answers_are_not_kept, pair_start, pair_stop),
		cmocka_unit_test_setup_teardown(principals_are_bounded, pair_start, pair_stop),
		cmocka_unit_test_setup_teardown(monitor_dies_meanwhile, pair_start, pair_stop),
		cmocka_unit_test_setup_teardown(leases_are_bounded_and_shared, pair_start,
						pair_stop),
		cmocka_unit_test_setup_teardown(revoked_while_asked_for, pair_start, pair_stop),
		cmocka_unit_test_setup_teardown(malformed_leases_are_none, pair_start, pair_stop),
		cmocka_unit_test_setup_teardown(deadline_moves_both_ways, pair_start, pair_stop),
		cmocka_unit_test(ids_differ),
	};
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(connections_are_reported),
		cmocka_unit_test(answer_without_the_body_it_announces_is_the_last),
		cmocka_unit_test(long_reports_come_in_parts),
	};
	int failed = cmocka_run_group_tests(alone, NULL, NULL);

	return failed + EACH_RUN(whole);
}
