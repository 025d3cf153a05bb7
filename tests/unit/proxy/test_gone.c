/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that vanish at any point: nothing leaks (each_stop counts), what was begun is recorded.
 */
#include "tests/unit/proxy/each.h"

#define HEAD "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-length: 52\r\n"

typedef void (*leave_fn)(struct rig_end *e);

static void count(void *arg)
{
	*(size_t *)arg = rig.w->conns.n;
}

/* Waits until the worker has let go of every connection. */
static void all_ended(void)
{
	size_t n;

	for (int i = 0; i < RIG_LIMIT_S * 1000; i++) {
		struct timespec t = { .tv_nsec = 1000 * 1000 };

		rig_do(&rig.at_worker, count, &n);
		if (n == 0)
			return;
		(void)nanosleep(&t, NULL);
	}
	fail_msg("%zu connections are left", n);
}

static void gone(enum eg_reason decision)
{
	struct eg_record rec = rig_record(&rig);

	assert_int_equal(rec.end, EG_REASON_client_gone);
	assert_int_equal(rec.decision, decision);
	all_ended();
	assert_false(rig_has_record(&rig));
}

static void before_and_in_the_hello(leave_fn leave)
{
	rig_connect(&rig, &c);
	leave(&c);
	all_ended();
	rig_connect(&rig, &c);
	assert_int_equal(write(c.fd, "\x16\x03\x01\x01", 4), 4);
	leave(&c);
	all_ended();
}

static void after_the_handshake(leave_fn leave)
{
	rig_open(&rig, &c);
	leave(&c);
	all_ended();
	assert_false(rig_has_record(&rig));
}

static void in_the_head(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_send(&c, HEAD);
	leave(&c);
	all_ended();
	assert_false(rig_has_record(&rig)); /* nothing was asked */
}

static void in_the_body(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_send(&c, HEAD "\r\n{\"model");
	leave(&c);
	gone(EG_REASON_client_gone);
}

static void while_waiting_for_the_principal(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_set_policy(&rig, rig_policy); /* so that it is asked anew */
	rig.attest_silent = 1;
	rig_send(&c, HEAD "\r\n" RIG_BODY);
	leave(&c);
	gone(EG_REASON_client_gone);
	rig_connect(&rig, &c);
	c.ssl = NULL;
	leave(&c);
	all_ended();
}

static void while_connecting(leave_fn leave)
{
	int fd;

	rig_open(&rig, &c);
	rig_send(&c, HEAD "\r\n" RIG_BODY);
	fd = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0); /* whose handshake is never answered */
	leave(&c);
	gone(EG_REASON_allowed);
	close(fd);
}

static void while_the_provider_thinks(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_send(&c, HEAD "\r\n" RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	leave(&c);
	gone(EG_REASON_allowed);
	(void)rig_ended(&u); /* the provider is told at once */
	rig_close(&u);
}

static void in_the_answer(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_send(&c, HEAD "\r\n" RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc");
	rig_until(&c, "abc");
	leave(&c);
	gone(EG_REASON_allowed);
	(void)rig_ended(&u);
	rig_close(&u);
}

static void in_an_upload(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_send(&c,
		 "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-length: 100\r\n\r\nabc");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\nabc");
	leave(&c);
	gone(EG_REASON_allowed);
	(void)rig_ended(&u);
	rig_close(&u);
}

static void with_pipelined_requests_waiting(leave_fn leave)
{
	rig_open(&rig, &c);
	rig_send(&c, HEAD "\r\n" RIG_BODY HEAD "\r\n" RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	leave(&c);
	gone(EG_REASON_allowed);
	rig_close(&u);
}

static void everywhere(leave_fn leave)
{
	static void (*const stages[])(leave_fn) = {
		before_and_in_the_hello,
		after_the_handshake,
		in_the_head,
		in_the_body,
		while_connecting,
		while_the_provider_thinks,
		in_the_answer,
		in_an_upload,
		with_pipelined_requests_waiting,
	};

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		stages[i](leave);
}

static void closing(void **state)
{
	(void)state;
	everywhere(rig_close);
}

static void resetting(void **state)
{
	(void)state;
	everywhere(rig_reset);
}

static void closing_unidentified(void **state)
{
	(void)state;
	while_waiting_for_the_principal(rig_close);
}

static void in_the_handshake(void **state)
{
	struct pollfd p = { .events = POLLIN };

	(void)state;
	for (int i = 0; i < 2; i++) {
		/* A hello goes out; the server's flight is never answered. */
		rig_connect(&rig, &c);
		c.ssl = SSL_new(rig.client_ctx);
		TEST_CA_MUST(c.ssl && SSL_set_tlsext_host_name(c.ssl, RIG_HOST));
		{
			BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
			char *hello;
			long n;

			SSL_set_bio(c.ssl, in, out);
			(void)SSL_connect(c.ssl);
			n = BIO_get_mem_data(out, &hello);
			assert_int_equal(write(c.fd, hello, (size_t)n), n);
		}
		p.fd = c.fd;
		assert_int_equal(poll(&p, 1, RIG_LIMIT_S * 1000), 1);
		(i ? rig_reset : rig_close)(&c);
		all_ended();
	}
}

static void worker_stops_while_a_certificate_is_made(void **state)
{
	SSL *ssl = SSL_new(rig.client_ctx);

	(void)state;
	rig.mint_silent = 1;
	rig_connect(&rig, &c);
	(void)fcntl(c.fd, F_SETFL, O_NONBLOCK);
	TEST_CA_MUST(SSL_set_fd(ssl, c.fd) && SSL_set_tlsext_host_name(ssl, RIG_HOST));
	assert_int_equal(SSL_connect(ssl), -1); /* the hello is out */
	while (!rig.minted)
		sched_yield();
	SSL_free(ssl);
	rig_close(&c); /* and it is still asked for when each_stop() comes */
}

/* The worker stops while everything is in flight: each is recorded, and it ends. */
static void worker_stops(void **state)
{
	static struct rig_end more[3];

	(void)state;
	rig_open(&rig, &more[0]); /* idle */
	rig_open(&rig, &more[1]);
	rig_send(&more[1], HEAD "\r\n{");
	rig_open(&rig, &c);
	rig_send(&c, HEAD "\r\n" RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_do(&rig.at_peers, rig_send_stop, &rig);
	assert_int_equal(rig_ended(&more[0]), 1);
	/* what is in flight may end in time */
	rig_answer(&u, &c);
	rig_until(&c, "connection: close");
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	(void)rig_ended(&more[1]);
	assert_int_equal(rig_record(&rig).end, EG_REASON_shutting_down);
	rig_close(&more[0]);
	rig_close(&more[1]);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closing),
		cmocka_unit_test(resetting),
		cmocka_unit_test(closing_unidentified),
		cmocka_unit_test(in_the_handshake),
		cmocka_unit_test(worker_stops),
		cmocka_unit_test(worker_stops_while_a_certificate_is_made),
	};

	return EACH_RUN(tests);
}
