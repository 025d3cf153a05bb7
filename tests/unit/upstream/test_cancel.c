/* SPDX-License-Identifier: Apache-2.0 */
/* A call given up, or the whole pool freed, at each stage: no callback, no descriptor left. */
#include "tests/unit/upstream/calls.h"
#include "tests/unit/upstream/deaf.h"

enum end { CANCEL, FREE };

struct pause {
	struct calls *f;
	struct io io;
	struct timer timer;
};

static void on_gate(struct io *io, int events)
{
	(void)events;
	io_want(io, 0);
	loop_stop(io->loop);
}

static void on_time(struct timer *t)
{
	loop_stop(t->loop);
}

/* Ends the call, then lets the loop find whatever was left behind. */
static void finish(struct calls *f, struct upstream_call *call, struct outcome *o, enum end end)
{
	struct timer t = { .loop = NULL };

	assert_non_null(call);
	assert_int_equal(o->calls, 0);
	if (end == CANCEL)
		upstream_cancel(call);
	else
		f->upstream = upstream_free(f->upstream);
	timer_start(&t, f->loop, 20000, on_time);
	calls_run(f);
	assert_int_equal(o->calls, 0);
}

static struct upstream_call *get(struct calls *f, struct outcome *o, const char *host,
				 uint16_t port)
{
	struct upstream_target to = calls_target(host, port, "key");

	*o = (struct outcome){ .f = f };
	return upstream_get(f->upstream, &to, false, calls_on_outcome, o);
}

static void while_resolving(struct calls *f, enum end end)
{
	struct outcome o;

	finish(f, get(f, &o, "silent.test", 443), &o, end);
}

static void on_cached(void *ctx, struct slice host, const struct eg_addr *addrs, size_t n,
		      uint32_t ttl_s)
{
	struct calls *f = ctx;

	(void)host;
	(void)addrs;
	assert_true(n > 0 && ttl_s > 0);
	loop_stop(f->loop);
}

/* The address is in the cache afterwards, so a call asks for a socket at once. */
static void cache(struct calls *f, struct slice host)
{
	upstream_resolve(f->upstream, host, on_cached, f);
	calls_run(f);
}

static void while_waiting_for_a_socket(struct calls *f, enum end end)
{
	struct outcome o;

	f->sockets = SOCKETS_NEVER;
	cache(f, SLICE("api.test"));
	finish(f, get(f, &o, "api.test", 443), &o, end);
}

static void while_connecting(struct calls *f, enum end end)
{
	struct deaf d = deaf_start(0);
	struct outcome o;

	f->sockets = SOCKETS_AT_ONCE;
	cache(f, SLICE("deaf.test"));
	finish(f, get(f, &o, "deaf.test", d.port), &o, end);
	deaf_stop(&d);
}

static void while_shaking_hands(struct calls *f, enum end end)
{
	struct provider_opts po = { .ca = &f->ca, .leaf = { .san = "DNS:api.test" } };
	struct upstream_call *call;
	struct provider p;
	struct pause pause = { .f = f };
	struct outcome o;
	int gate[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate), 0);
	po.gate = gate[1];
	provider_start(&p, &po);
	call = get(f, &o, "api.test", p.port);
	io_start(&pause.io, f->loop, gate[0], IO_READ, on_gate);
	calls_run(f);
	finish(f, call, &o, end);
	io_stop(&pause.io);
	close(gate[0]);
	close(gate[1]);
	provider_stop(&p);
}

/* A failure is told from the loop: until then the call can be given up. */
static void after_it_failed(struct calls *f, enum end end)
{
	struct outcome o;

	finish(f, get(f, &o, "127.0.0.1", 443), &o, end);
}

static void with_idle_connections(struct calls *f, enum end end)
{
	struct provider_opts po = { .ca = &f->ca, .leaf = { .san = "DNS:api.test" } };
	struct provider p;
	struct outcome o;

	provider_start(&p, &po);
	upstream_put(f->upstream, calls_get(f, "api.test", p.port, "key"));
	finish(f, get(f, &o, "silent.test", p.port), &o, end);
	provider_stop(&p);
}

static void while_resolving_for_the_map(struct calls *f, enum end end)
{
	struct outcome o;

	upstream_resolve(f->upstream, SLICE("silent.test"), NULL, NULL);
	finish(f, get(f, &o, "silent.test", 443), &o, end);
	if (end == CANCEL) /* a resolution cannot be given up but by freeing the pool */
		f->upstream = upstream_free(f->upstream);
}

#define STAGES(X)                                                                                  \
	X(while_resolving)                                                                         \
	X(while_waiting_for_a_socket)                                                              \
	X(while_connecting)                                                                        \
	X(while_shaking_hands)                                                                     \
	X(after_it_failed)                                                                         \
	X(with_idle_connections)                                                                   \
	X(while_resolving_for_the_map)

#define X(name)                                                                                    \
	static void test_cancel_##name(void **state)                                               \
	{                                                                                          \
		name(*state, CANCEL);                                                              \
	}                                                                                          \
	static void test_free_##name(void **state)                                                 \
	{                                                                                          \
		name(*state, FREE);                                                                \
	}
STAGES(X)
#undef X

#define X(name)                                                                                    \
	cmocka_unit_test_setup_teardown(test_cancel_##name, calls_setup, calls_teardown),          \
		cmocka_unit_test_setup_teardown(test_free_##name, calls_setup, calls_teardown),

int main(void)
{
	const struct CMUnitTest tests[] = { STAGES(X) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
