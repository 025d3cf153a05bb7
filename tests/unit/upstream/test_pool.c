/* SPDX-License-Identifier: Apache-2.0 */
/* Reuse of connections, and everything that must prevent it. */
#include "tests/unit/upstream/calls.h"

static void serve(struct calls *f, struct provider *p)
{
	struct provider_opts o = { .ca = &f->ca, .leaf = { .san = "DNS:api.test,DNS:other.test" } };

	provider_start(p, &o);
}

static uint64_t idle_of(struct calls *f)
{
	struct upstream_stats stats;

	upstream_get_stats(f->upstream, &stats);
	return stats.idle;
}

static void test_connection_is_reused(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *a, *b;
	struct upstream_stats stats;
	struct provider p;

	serve(f, &p);
	a = calls_get(f, "api.test", p.port, "key");
	assert_false(a->reused);
	assert_int_equal(calls_talk(f, a, 'p'), 'P');
	upstream_put(f->upstream, a);
	b = calls_get(f, "api.test", p.port, "key");
	assert_ptr_equal(a, b);
	assert_true(b->reused);
	assert_int_equal(calls_talk(f, b, 'p'), 'P');
	assert_int_equal(p.shared->accepted, 1);
	upstream_close(f->upstream, b);
	upstream_get_stats(f->upstream, &stats);
	assert_int_equal(stats.opened, 1);
	assert_int_equal(stats.reused, 1);
	assert_int_equal(stats.idle, 0);
	provider_stop(&p);
}

static void test_fresh_is_never_reused(void **state)
{
	struct calls *f = *state;
	struct upstream_target to;
	struct upstream_conn *a;
	struct provider p;
	struct outcome o = { .f = f };

	serve(f, &p);
	a = calls_get(f, "api.test", p.port, "key");
	upstream_put(f->upstream, a);
	to = calls_target("api.test", p.port, "key");
	assert_non_null(upstream_get(f->upstream, &to, true, calls_on_outcome, &o));
	calls_run(f);
	assert_non_null(o.conn);
	assert_ptr_not_equal(o.conn, a);
	assert_false(o.conn->reused);
	upstream_close(f->upstream, o.conn);
	provider_stop(&p);
}

/* Neither the connection nor the TLS session of one target may serve another. */
static void never_shared(void **state, const struct upstream_target *a,
			 const struct upstream_target *b)
{
	struct calls *f = *state;
	struct outcome first = calls_try(f, a), second;

	assert_non_null(first.conn);
	assert_int_equal(calls_talk(f, first.conn, 'r'), 'F');
	upstream_put(f->upstream, first.conn);
	second = calls_try(f, b);
	assert_non_null(second.conn);
	assert_ptr_not_equal(first.conn, second.conn);
	assert_int_equal(calls_talk(f, second.conn, 'r'), 'F');
	upstream_put(f->upstream, second.conn);
	assert_int_equal(idle_of(f), 2);
}

static void test_two_credentials_never_share(void **state)
{
	struct upstream_target a, b;
	struct provider p;

	serve(*state, &p);
	a = calls_target("api.test", p.port, "key-a");
	b = calls_target("api.test", p.port, "key-b");
	never_shared(state, &a, &b);
	provider_stop(&p);
}

static void test_no_credential_is_one_of_its_own(void **state)
{
	struct upstream_target a, b;
	struct provider p;

	serve(*state, &p);
	a = calls_target("api.test", p.port, "key");
	b = calls_target("api.test", p.port, "");
	never_shared(state, &a, &b);
	provider_stop(&p);
}

static void test_two_providers_never_share(void **state)
{
	struct upstream_target a, b;
	struct provider p;

	serve(*state, &p);
	a = b = calls_target("api.test", p.port, "key");
	b.provider++;
	never_shared(state, &a, &b);
	provider_stop(&p);
}

static void test_two_hosts_never_share(void **state)
{
	struct upstream_target a, b;
	struct provider p;

	serve(*state, &p);
	a = calls_target("api.test", p.port, "key");
	b = calls_target("other.test", p.port, "key");
	never_shared(state, &a, &b);
	provider_stop(&p);
}

static void test_two_ports_never_share(void **state)
{
	struct upstream_target a, b;
	struct provider p, q;

	serve(*state, &p);
	serve(*state, &q);
	a = calls_target("api.test", p.port, "key");
	b = calls_target("api.test", q.port, "key");
	never_shared(state, &a, &b);
	provider_stop(&p);
	provider_stop(&q);
}

/* Two halves of one text, cut elsewhere. */
static void test_host_and_credential_do_not_run_together(void **state)
{
	struct calls *f = *state;
	struct upstream_target a, b;
	struct upstream_conn *c;
	struct provider p;
	struct outcome o;

	serve(f, &p);
	a = calls_target("api.test", p.port, "key");
	c = calls_get(f, "api.test", p.port, "key");
	upstream_put(f->upstream, c);
	b = (struct upstream_target){ .provider = a.provider,
				      .host = SLICE("api.tes"),
				      .port = a.port,
				      .credential = SLICE("t\0key") };
	o = calls_try(f, &b);
	assert_null(o.conn);
	provider_stop(&p);
}

static void test_closed_by_the_provider_is_noticed(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *c;
	struct provider p;

	serve(f, &p);
	c = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, c, 'c'), 'C');
	upstream_put(f->upstream, c);
	calls_until_idle(f, 0);
	c = calls_get(f, "api.test", p.port, "key");
	assert_false(c->reused);
	upstream_close(f->upstream, c);
	provider_stop(&p);
}

static void test_unasked_bytes_end_the_connection(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *c;
	struct provider p;

	serve(f, &p);
	c = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, c, 'u'), 'U');
	upstream_put(f->upstream, c);
	calls_until_idle(f, 0);
	provider_stop(&p);
}

/* A ticket that comes while the connection is idle is no reason to close it. */
static void test_late_ticket_is_welcome(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *c;
	struct provider p;

	serve(f, &p);
	c = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, c, 't'), 'T');
	upstream_put(f->upstream, c);
	/* Another connection's round trip gives the ticket time to arrive. */
	upstream_close(f->upstream, calls_get(f, "other.test", p.port, "key"));
	c = calls_get(f, "api.test", p.port, "key");
	assert_true(c->reused);
	assert_int_equal(calls_talk(f, c, 'p'), 'P');
	upstream_close(f->upstream, c);
	provider_stop(&p);
}

static void test_new_trust_closes_idle_ones(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *idle, *used;
	struct provider p;

	serve(f, &p);
	idle = calls_get(f, "api.test", p.port, "key");
	used = calls_get(f, "api.test", p.port, "key");
	upstream_put(f->upstream, idle);
	calls_trust(f, f->ca.cert);
	assert_int_equal(idle_of(f), 0);
	assert_int_equal(calls_talk(f, used, 'p'), 'P');
	upstream_put(f->upstream, used); /* it began under the old trust */
	assert_int_equal(idle_of(f), 0);
	used = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, used, 'r'), 'F'); /* nor does its session resume */
	upstream_close(f->upstream, used);
	provider_stop(&p);
}

static void test_bad_trust_leaves_the_old(void **state)
{
	struct calls *f = *state;
	struct provider p;

	serve(f, &p);
	upstream_put(f->upstream, calls_get(f, "api.test", p.port, "key"));
	assert_int_equal(upstream_set_trust(f->upstream, SLICE("")), -EINVAL);
	assert_int_equal(upstream_set_trust(f->upstream, SLICE("-----BEGIN CERTIFICATE-----\n!\n")),
			 -EINVAL);
	assert_int_equal(idle_of(f), 1);
	provider_stop(&p);
}

static void test_dropped_credential_is_closed(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *a, *b, *used;
	struct provider p;

	serve(f, &p);
	a = calls_get(f, "api.test", p.port, "old");
	used = calls_get(f, "api.test", p.port, "old");
	b = calls_get(f, "api.test", p.port, "other");
	upstream_put(f->upstream, a);
	upstream_put(f->upstream, b);
	upstream_drop_credential(f->upstream, SLICE("old"));
	assert_int_equal(idle_of(f), 1);
	upstream_put(f->upstream, used);
	assert_int_equal(idle_of(f), 1);
	assert_true(calls_get(f, "api.test", p.port, "other")->reused);
	upstream_put(f->upstream, b);
	provider_stop(&p);
}

static int setup_brief(void **state)
{
	return calls_setup_with(state, &(struct upstream_opts){ .idle_us = 50000, .idle_max = 2 });
}

static void test_idle_ones_are_closed_in_time(void **state)
{
	struct calls *f = *state;
	struct provider p;

	serve(f, &p);
	upstream_put(f->upstream, calls_get(f, "api.test", p.port, "key"));
	assert_int_equal(idle_of(f), 1);
	calls_until_idle(f, 0);
	upstream_put(f->upstream, calls_get(f, "api.test", p.port, "key"));
	calls_until_idle(f, 0);
	assert_int_equal(p.shared->accepted, 2);
	provider_stop(&p);
}

static void test_idle_ones_are_bounded(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *c[3];
	struct provider p;

	serve(f, &p);
	for (unsigned i = 0; i < 3; i++)
		c[i] = calls_get(f, "api.test", p.port, "key");
	for (unsigned i = 0; i < 3; i++)
		upstream_put(f->upstream, c[i]);
	assert_int_equal(idle_of(f), 2);
	provider_stop(&p);
}

#define T(name)	    cmocka_unit_test_setup_teardown(test_##name, calls_setup, calls_teardown)
#define BRIEF(name) cmocka_unit_test_setup_teardown(test_##name, setup_brief, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connection_is_reused),
		T(fresh_is_never_reused),
		T(two_credentials_never_share),
		T(no_credential_is_one_of_its_own),
		T(two_providers_never_share),
		T(two_hosts_never_share),
		T(two_ports_never_share),
		T(host_and_credential_do_not_run_together),
		T(closed_by_the_provider_is_noticed),
		T(unasked_bytes_end_the_connection),
		T(late_ticket_is_welcome),
		T(new_trust_closes_idle_ones),
		T(bad_trust_leaves_the_old),
		T(dropped_credential_is_closed),
		BRIEF(idle_ones_are_closed_in_time),
		BRIEF(idle_ones_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
