/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a TCP connection: refused ranges, dead families, missing sockets, DNS failures. */
#include "base/clock.h"
#include "tests/unit/upstream/calls.h"
#include "tests/unit/upstream/deaf.h"

static void serve(struct calls *f, struct provider *p)
{
	struct provider_opts o = { .ca = &f->ca,
				   .leaf = { .san = "DNS:api.test,DNS:dual.test,DNS:mixed.test,"
						    "DNS:nowhere.test" } };

	provider_start(p, &o);
}

static void connects(struct calls *f, const char *host, uint16_t port, int family)
{
	struct upstream_conn *c = calls_get(f, host, port, "key");
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int on = 0;

	assert_int_equal(getpeername(c->fd, (struct sockaddr *)&ss, &n), 0);
	assert_int_equal(ss.ss_family, family);
	n = sizeof(on);
	assert_int_equal(getsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
	assert_true(on);
	assert_int_equal(getsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n), 0);
	assert_true(on);
	upstream_close(f->upstream, c);
}

static void test_ipv6_refuses_ipv4_answers(void **state)
{
	struct calls *f = *state;
	struct provider p;

	serve(f, &p);
	connects(f, "dual.test", p.port, AF_INET);
	provider_stop(&p);
}

static void test_ipv6_without_a_route(void **state)
{
	struct calls *f = *state;
	struct provider p;

	serve(f, &p);
	connects(f, "nowhere.test", p.port, AF_INET);
	provider_stop(&p);
}

static void test_ipv6_is_deaf_ipv4_answers(void **state)
{
	struct calls *f = *state;
	uint64_t begin_us;
	struct provider p;
	struct deaf d;
	int listener;

	serve(f, &p);
	d = deaf_start(p.port);
	begin_us = clock_mono_us();
	connects(f, "dual.test", p.port, AF_INET);
	assert_true(clock_mono_us() - begin_us >= 240000); /* IPv6 had its chance */
	deaf_stop(&d);
	/* From then on IPv4 goes first: this one would accept, but never speak TLS. */
	listener = deaf_listen(p.port, 16);
	connects(f, "dual.test", p.port, AF_INET);
	close(listener);
	provider_stop(&p);
}

static void test_nothing_listens(void **state)
{
	uint16_t port;

	close(provider_listen(&port));
	calls_refused(*state, "api.test", port, EG_REASON_upstream_unreachable,
		      "Connection refused");
	calls_refused(*state, "dual.test", port, EG_REASON_upstream_unreachable,
		      "Connection refused");
}

static void test_private_addresses_are_refused(void **state)
{
	calls_refused(*state, "private.test", 443, EG_REASON_upstream_refused_address,
		      "upstream.allow");
	calls_refused(*state, "embedded.test", 443, EG_REASON_upstream_refused_address,
		      "64:ff9b::a9fe:a9fe");
}

static void test_private_ones_among_others_are_passed_over(void **state)
{
	struct calls *f = *state;
	struct provider p;

	serve(f, &p);
	connects(f, "mixed.test", p.port, AF_INET);
	provider_stop(&p);
}

static int setup_only6(void **state)
{
	static const char *const allow[] = { "::1/128" };

	return calls_setup_with(state, &(struct upstream_opts){ .allow = allow, .n_allow = 1 });
}

static void test_only_what_is_listed_is_allowed(void **state)
{
	calls_refused(*state, "api.test", 443, EG_REASON_upstream_refused_address,
		      "api.test resolves to 127.0.0.1");
}

static void test_unknown_name(void **state)
{
	calls_refused(*state, "gone.test", 443, EG_REASON_upstream_unresolved, "no such name");
}

static void test_name_that_is_none(void **state)
{
	calls_refused(*state, "a b", 443, EG_REASON_upstream_unresolved, "not a host name");
	calls_refused(*state, "", 443, EG_REASON_upstream_unresolved, "not a host name");
}

static int setup_hasty(void **state)
{
	return calls_setup_with(state, &(struct upstream_opts){ .connect_timeout_us = 100000 });
}

static void test_silent_dns(void **state)
{
	calls_refused(*state, "silent.test", 443, EG_REASON_upstream_unresolved,
		      "no DNS answer within 100 ms");
}

static void test_no_socket_to_be_had(void **state)
{
	struct calls *f = *state;

	f->sockets = SOCKETS_NONE;
	calls_refused(f, "dual.test", 443, EG_REASON_upstream_unreachable,
		      "the monitor gave no socket");
}

static void test_sockets_never_come(void **state)
{
	struct calls *f = *state;

	f->sockets = SOCKETS_NEVER;
	calls_refused(f, "api.test", 443, EG_REASON_upstream_unreachable,
		      "the monitor gave no socket within 100 ms");
}

static void test_every_address_is_deaf(void **state)
{
	struct calls *f = *state;
	struct deaf d = deaf_start(0);

	calls_refused(f, "deaf.test", d.port, EG_REASON_upstream_timeout,
		      "no TCP connection within 100 ms");
	deaf_stop(&d);
}

struct other {
	struct stock_wait wait;
	int fd; /* -1: not called yet */
};

static void on_other(struct stock_wait *wait, int fd)
{
	container_of(wait, struct other, wait)->fd = fd;
}

static void test_sockets_for_others(void **state)
{
	struct calls *f = *state;
	struct other first = { .fd = -1 }, second = { .fd = -1 }, gone = { .fd = -1 };

	upstream_await_socket(f->upstream, AF_INET, &first.wait, on_other);
	upstream_await_socket(f->upstream, AF_INET, &gone.wait, on_other);
	stock_cancel(&gone.wait);
	assert_int_equal(first.fd, -1);
	f->sockets = SOCKETS_AT_ONCE;
	calls_give(f, AF_INET, 2);
	assert_true(first.fd >= 0);
	upstream_await_socket(f->upstream, AF_INET, &second.wait, on_other); /* at once */
	assert_true(second.fd >= 0);
	assert_int_equal(gone.fd, -1);
	close(first.fd);
	close(second.fd);
}

struct resolved {
	struct calls *f;
	unsigned calls;
	size_t n;
	uint32_t ttl_s;
};

static void on_resolved(void *ctx, struct slice host, const struct eg_addr *addrs, size_t n,
			uint32_t ttl_s)
{
	struct resolved *r = ctx;

	assert_true(host.n > 0);
	assert_true(n == 0 || addrs[0].a[3] != 0);
	r->calls++;
	r->n = n;
	r->ttl_s = ttl_s;
	loop_stop(r->f->loop);
}

static void resolves(struct calls *f, const char *host, size_t n)
{
	struct resolved r = { .f = f };

	upstream_resolve(f->upstream, slice_str(host), on_resolved, &r);
	if (!r.calls)
		calls_run(f);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.n, n);
	assert_int_equal(r.ttl_s != 0, n != 0);
}

/* An address that would never be dialled must not become a governed endpoint either. */
static void test_resolving_for_the_endpoint_map(void **state)
{
	resolves(*state, "dual.test", 2);
	resolves(*state, "dual.test", 2); /* cached */
	resolves(*state, "mixed.test", 1);
	resolves(*state, "private.test", 0);
	resolves(*state, "gone.test", 0);
	resolves(*state, "not a name", 0);
}

static void test_options_that_are_none(void **state)
{
	static const char *const bad[] = { "10.0.0.0/33" };
	struct calls *f = *state;
	struct upstream_opts o = { .allow = bad, .n_allow = 1, .on_need_sockets = calls_on_need };
	struct upstream *u;

	assert_int_equal(upstream_new(f->loop, &o, &u), -EINVAL);
	o = (struct upstream_opts){ .servers = bad,
				    .n_servers = 1,
				    .on_need_sockets = calls_on_need };
	assert_int_equal(upstream_new(f->loop, &o, &u), -EINVAL);
}

#define T(name)	    cmocka_unit_test_setup_teardown(test_##name, calls_setup, calls_teardown)
#define HASTY(name) cmocka_unit_test_setup_teardown(test_##name, setup_hasty, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ipv6_refuses_ipv4_answers),
		T(ipv6_without_a_route),
		T(ipv6_is_deaf_ipv4_answers),
		T(nothing_listens),
		T(private_addresses_are_refused),
		T(private_ones_among_others_are_passed_over),
		cmocka_unit_test_setup_teardown(test_only_what_is_listed_is_allowed, setup_only6,
						calls_teardown),
		T(unknown_name),
		T(name_that_is_none),
		HASTY(silent_dns),
		T(no_socket_to_be_had),
		HASTY(sockets_never_come),
		HASTY(every_address_is_deaf),
		T(sockets_for_others),
		T(resolving_for_the_endpoint_map),
		T(options_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
