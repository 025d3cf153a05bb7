/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver against a small DNS server: families, TTLs, the cache, failures, hostile answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event/resolver.h"
#include "tests/unit/event/dns_server.h"

static const struct dns_name names[] = {
	{ .name = "both.test", .a = { "198.51.100.7" }, .aaaa = { "2001:db8::7" }, .ttl = 60 },
	{ .name = "short.test", .a = { "198.51.100.8" }, .ttl = 0 },
	{ .name = "long.test", .a = { "198.51.100.9" }, .ttl = 400000 },
	{ .name = "alias.test",
	  .a = { "198.51.100.10" },
	  .ttl = 300,
	  .cname = "real.test",
	  .cname_ttl = 20 },
	{ .name = "gone.test", .behaviour = DNS_NXDOMAIN },
	{ .name = "empty.test", .ttl = 60 },
	{ .name = "broken.test", .behaviour = DNS_SERVFAIL },
	{ .name = "silent.test", .behaviour = DNS_SILENT },
	{ .name = "garbage.test", .behaviour = DNS_GARBAGE },
	{ .name = "large.test", .behaviour = DNS_TRUNCATE, .a = { "198.51.100.11" }, .ttl = 60 },
	{ .name = NULL },
};

struct fixture {
	struct loop *loop;
	struct resolver *resolver;
	struct dns_server server;
	unsigned pending;
};

struct answer {
	struct fixture *f;
	bool done;
	int error;
	size_t n;
	struct eg_addr addrs[4];
	uint32_t ttl_s;
};

static void on_answer(void *ctx, int error, const struct eg_addr *addrs, size_t n, uint32_t ttl_s)
{
	struct answer *a = ctx;

	assert_false(a->done);
	a->done = true;
	a->error = error;
	a->n = n;
	a->ttl_s = ttl_s;
	for (size_t i = 0; i < n && i < 4; i++)
		a->addrs[i] = addrs[i];
	if (--a->f->pending == 0)
		loop_stop(a->f->loop);
}

static int setup_with(void **state, size_t cache_max)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *servers[1];
	struct resolver_opts o = { .servers = servers,
				   .n_servers = 1,
				   .timeout_ms = 100,
				   .tries = 1,
				   .cache_max = cache_max };

	dns_server_start(&f->server, names);
	servers[0] = f->server.addr;
	f->loop = loop_new();
	*state = f;
	return f->loop ? resolver_new(f->loop, &o, &f->resolver) : -1;
}

static int setup(void **state)
{
	return setup_with(state, 0);
}

static int setup_small(void **state)
{
	return setup_with(state, 2);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	resolver_free(f->resolver);
	loop_free(f->loop);
	dns_server_stop(&f->server);
	free(f);
	return 0;
}

static struct resolver_wait *ask(struct fixture *f, struct answer *a, const char *host)
{
	*a = (struct answer){ .f = f };
	f->pending++;
	return resolver_get(f->resolver, slice_str(host), on_answer, a);
}

static void resolve(struct fixture *f, struct answer *a, const char *host)
{
	if (ask(f, a, host))
		loop_run(f->loop);
	assert_true(a->done);
}

static bool has(const struct answer *a, const char *text)
{
	struct eg_addr want = { .a = { 0, 0, htonl(0xffff), 0 } };

	if (inet_pton(AF_INET, text, &want.a[3]) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, &want), 1);
	for (size_t i = 0; i < a->n; i++)
		if (memcmp(&a->addrs[i], &want, sizeof(want)) == 0)
			return true;
	return false;
}

static void test_both_families_arrive(void **state)
{
	struct answer a;

	resolve(*state, &a, "both.test");
	assert_int_equal(a.error, 0);
	assert_int_equal(a.n, 2);
	assert_true(has(&a, "198.51.100.7"));
	assert_true(has(&a, "2001:db8::7"));
	assert_in_range(a.ttl_s, 58, 60);
}

static void test_ttl_is_clamped(void **state)
{
	struct answer a;

	resolve(*state, &a, "short.test");
	assert_in_range(a.ttl_s, 4, 5);
	resolve(*state, &a, "long.test");
	assert_in_range(a.ttl_s, 3598, 3600);
}

static void test_cname_ttl_counts(void **state)
{
	struct answer a;

	resolve(*state, &a, "alias.test");
	assert_int_equal(a.error, 0);
	assert_true(has(&a, "198.51.100.10"));
	assert_in_range(a.ttl_s, 18, 20);
}

static void test_second_ask_is_cached_whatever_the_case(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	unsigned asked;

	resolve(f, &a, "both.test");
	asked = f->server.shared->queries;
	assert_null(ask(f, &a, "BOTH.test"));
	assert_true(a.done);
	assert_int_equal(a.n, 2);
	assert_int_equal(f->server.shared->queries, asked);
}

static void test_one_flight_for_many(void **state)
{
	struct fixture *f = *state;
	struct answer a[50];
	struct resolver_stats stats;

	for (size_t i = 0; i < 50; i++)
		assert_non_null(ask(f, &a[i], "both.test"));
	loop_run(f->loop);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(a[i].n, 2);
	resolver_get_stats(f->resolver, &stats);
	assert_int_equal(stats.queries, 1);
	assert_int_equal(f->server.shared->queries, 2); /* A and AAAA */
}

static void test_failures_are_told_apart_and_cached(void **state)
{
	static const struct {
		const char *name;
		int error;
	} cases[] = { { "gone.test", -ENOENT },
		      { "nowhere.test", -ENOENT },
		      { "empty.test", -ENOENT },
		      { "broken.test", -EAGAIN },
		      { "silent.test", -ETIMEDOUT },
		      /* An answer that does not repeat the question is none. */
		      { "garbage.test", -ETIMEDOUT } };
	struct fixture *f = *state;
	struct answer a;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned asked;

		resolve(f, &a, cases[i].name);
		assert_int_equal(a.error, cases[i].error);
		assert_int_equal(a.n, 0);
		asked = f->server.shared->queries;
		assert_null(ask(f, &a, cases[i].name));
		assert_int_equal(a.error, cases[i].error);
		assert_int_equal(f->server.shared->queries, asked);
	}
}

static void test_truncated_answer_is_asked_over_tcp(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	resolve(f, &a, "large.test");
	assert_int_equal(a.error, 0);
	assert_true(has(&a, "198.51.100.11"));
	assert_true(f->server.shared->tcp > 0);
}

static void test_no_host_name_is_never_sent(void **state)
{
	static const char *const bad[] = {
		"", ".test", "a b.test", "a\nb", "a/b", "ä.test", "a:1"
	};
	struct fixture *f = *state;
	struct answer a;
	char large[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_null(ask(f, &a, bad[i]));
		assert_int_equal(a.error, -EINVAL);
	}
	memset(large, 'a', sizeof(large));
	large[254] = '\0';
	assert_null(ask(f, &a, large));
	assert_int_equal(a.error, -EINVAL);
	assert_int_equal(f->server.shared->queries, 0);
}

static void test_cancelled_is_not_called(void **state)
{
	struct fixture *f = *state;
	struct answer a, b;
	struct resolver_wait *w = ask(f, &a, "both.test");

	assert_non_null(ask(f, &b, "both.test"));
	f->pending--;
	resolver_cancel(w);
	loop_run(f->loop);
	assert_true(b.done);
	assert_false(a.done);
}

static void test_cache_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct resolver_stats stats;
	struct answer a;

	resolve(f, &a, "both.test");
	resolve(f, &a, "short.test");
	resolve(f, &a, "long.test");
	resolver_get_stats(f->resolver, &stats);
	assert_int_equal(stats.entries, 2);
	assert_int_equal(stats.evicted, 1);
	/* The oldest went. */
	assert_null(ask(f, &a, "short.test"));
	assert_non_null(ask(f, &a, "both.test"));
	loop_run(f->loop);
}

static void test_cache_full_of_flights_says_busy(void **state)
{
	struct fixture *f = *state;
	struct answer a, b, c;

	assert_non_null(ask(f, &a, "silent.test"));
	assert_non_null(ask(f, &b, "both.test"));
	assert_null(ask(f, &c, "long.test"));
	assert_int_equal(c.error, -EBUSY);
	loop_run(f->loop);
	assert_int_equal(a.error, -ETIMEDOUT);
	assert_int_equal(b.error, 0);
}

static void test_free_tells_who_waits(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	assert_non_null(ask(f, &a, "silent.test"));
	f->resolver = resolver_free(f->resolver);
	assert_true(a.done);
	assert_int_equal(a.error, -ECANCELED);
}

/* What is in flight is asked again there, and nobody who waits notices. */
static void test_other_servers_are_asked_from_now_on(void **state)
{
	static const struct dns_name elsewhere[] = {
		{ .name = "both.test", .a = { "192.0.2.7" }, .ttl = 60 },
		{ .name = "silent.test",
		  .a = { "192.0.2.8" },
		  .aaaa = { "2001:db8::8" },
		  .ttl = 60 },
		{ .name = NULL },
	};
	struct fixture *f = *state;
	struct dns_server other;
	struct answer a, b, c;
	struct resolver_wait *cancelled;
	const char *servers[1];

	dns_server_start(&other, elsewhere);
	servers[0] = other.addr;
	resolve(f, &a, "both.test");
	assert_int_equal(a.n, 2);
	assert_non_null(ask(f, &a, "silent.test"));
	assert_non_null(ask(f, &b, "silent.test"));
	cancelled = ask(f, &c, "silent.test");
	f->pending--;
	resolver_cancel(cancelled);
	for (unsigned i = 0; i < 3; i++) /* also when it happens again at once */
		assert_int_equal(resolver_set_servers(f->resolver, servers, 1), 0);
	assert_false(a.done);
	loop_run(f->loop);
	assert_int_equal(a.error, 0);
	assert_int_equal(b.n, 2);
	assert_false(c.done);
	assert_true(has(&a, "192.0.2.8"));
	/* What the old one said is not kept, and it is asked no more. */
	atomic_store(&f->server.shared->queries, 0);
	resolve(f, &a, "both.test");
	assert_int_equal(a.n, 1);
	assert_true(has(&a, "192.0.2.7"));
	assert_int_equal(f->server.shared->queries, 0);
	servers[0] = "no address";
	assert_int_equal(resolver_set_servers(f->resolver, servers, 1), -EINVAL);
	dns_server_stop(&other);
}

static void test_server_that_is_no_address_is_refused(void **state)
{
	const char *servers[] = { "not an address" };
	struct resolver_opts o = { .servers = servers, .n_servers = 1 };
	struct fixture *f = *state;
	struct resolver *r = NULL;

	assert_int_equal(resolver_new(f->loop, &o, &r), -EINVAL);
	assert_null(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_both_families_arrive),
		T(test_other_servers_are_asked_from_now_on),
		T(test_ttl_is_clamped),
		T(test_cname_ttl_counts),
		T(test_second_ask_is_cached_whatever_the_case),
		T(test_one_flight_for_many),
		T(test_failures_are_told_apart_and_cached),
		T(test_truncated_answer_is_asked_over_tcp),
		T(test_no_host_name_is_never_sent),
		T(test_cancelled_is_not_called),
		T(test_free_tells_who_waits),
		T(test_server_that_is_no_address_is_refused),
		cmocka_unit_test_setup_teardown(test_cache_is_bounded, setup_small, teardown),
		cmocka_unit_test_setup_teardown(test_cache_full_of_flights_says_busy, setup_small,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
