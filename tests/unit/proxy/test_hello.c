/* SPDX-License-Identifier: Apache-2.0 */
/* Before HTTP: what is no TLS, names no server, is not governed, or does not trust us. */
#include "tests/unit/proxy/each.h"

/* The alert that comes back, 0 when the connection just ends. */
static int alert(void)
{
	unsigned char record[7];
	ssize_t n = recv(c.fd, record, sizeof(record), MSG_WAITALL);

	if (n <= 0)
		return 0;
	assert_int_equal(n, 7);
	assert_int_equal(record[0], 21);
	assert_int_equal(record[5], 2); /* fatal */
	return record[6];
}

static void noted(enum eg_reason reason)
{
	rig_wait_note(&rig, reason);
	assert_int_equal(rig.notes, 1);
	assert_int_equal(rig.note.pid, 42);
	assert_int_equal(rig.note.cgroup, 5);
	rig.notes = rig.noted[reason] = 0;
}

static void say(const void *p, size_t n)
{
	rig_connect(&rig, &c);
	assert_int_equal(write(c.fd, p, n), n);
}

static void not_tls(void **state)
{
	(void)state;
	say("GET / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(alert(), 0);
	noted(EG_REASON_not_tls);
	rig_close(&c);
}

static void malformed(void **state)
{
	(void)state;
	say("\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00", 13);
	assert_int_equal(alert(), 50);
	noted(EG_REASON_hello_malformed);
	rig_close(&c);
}

static void cut(void **state)
{
	(void)state;
	say("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9);
	(void)shutdown(c.fd, SHUT_WR);
	assert_int_equal(alert(), 50);
	noted(EG_REASON_hello_malformed);
	rig_close(&c);
}

static void too_large(void **state)
{
	static char wire[70000];

	(void)state;
	for (size_t at = 0; at + 16389 < sizeof(wire); at += 16389)
		memcpy(wire + at, "\x16\x03\x01\x40\x00", 5);
	memcpy(wire + 5, "\x01\x01\x00\x00", 4);
	say(wire, sizeof(wire));
	assert_int_equal(alert(), 50);
	noted(EG_REASON_hello_too_large);
	rig_close(&c);
}

static void late(void **state)
{
	(void)state;
	each_again("\"hello_ms\":50");
	say("\x16\x03\x01\x02\x00\x01", 6);
	assert_int_equal(alert(), 0);
	noted(EG_REASON_hello_timeout);
	rig_close(&c);
}

static void no_name(void **state)
{
	(void)state;
	rig_connect(&rig, &c);
	c.ssl = SSL_new(rig.client_ctx);
	TEST_CA_MUST(c.ssl && SSL_set_fd(c.ssl, c.fd));
	assert_int_equal(SSL_connect(c.ssl), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_UNRECOGNIZED_NAME);
	noted(EG_REASON_no_sni);
	rig_close(&c);
}

static void client_without_our_ca_is_named(void **state)
{
	(void)state;
	rig_connect(&rig, &c);
	assert_int_equal(rig_handshake(&c, rig.stranger_ctx, RIG_HOST), -1);
	rig_close(&c);
	noted(EG_REASON_tls_untrusted);
	assert_string_equal(rig.note.host, RIG_HOST);
	assert_string_equal(rig.note.exe, "/usr/bin/app");
	assert_string_equal(rig.note.workload, "app");
	assert_non_null(strstr(rig.note.text, "NODE_EXTRA_CA_CERTS"));
	assert_false(rig_has_record(&rig));
	/* in a loop it is one event */
	for (int i = 0; i < 5; i++) {
		rig_connect(&rig, &c);
		assert_int_equal(rig_handshake(&c, rig.stranger_ctx, RIG_HOST), -1);
		rig_close(&c);
	}
	rig_open(&rig, &c);
	rig_close(&c);
	assert_int_equal(rig.notes, 0);
}

static void no_certificate(void **state)
{
	(void)state;
	rig.mint_refused = 1;
	rig_connect(&rig, &c);
	assert_int_equal(rig_handshake(&c, rig.client_ctx, RIG_HOST), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_INTERNAL_ERROR);
	noted(EG_REASON_mint_failed);
	rig_close(&c);
}

static void nobody_says_who_it_is(void **state)
{
	(void)state;
	each_again("\"handshake_ms\":60");
	rig.attest_silent = 1;
	rig_connect(&rig, &c);
	assert_int_equal(rig_handshake(&c, rig.client_ctx, RIG_HOST), -1);
	noted(EG_REASON_tls_failed);
	rig_close(&c);
}

static void one_certificate_serves_many(void **state)
{
	static struct rig_end many[5];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		rig_open(&rig, &many[i]);
	assert_int_equal(rig.minted, 1);
	assert_int_equal(rig.attested, 1);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		rig_close(&many[i]);
}

/* In pieces of one byte, with the socket's readiness in between. */
static void hello_byte_by_byte(void **state)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char *hello;
	long n;

	(void)state;
	rig_connect(&rig, &c);
	c.ssl = SSL_new(rig.client_ctx);
	TEST_CA_MUST(c.ssl && SSL_set_tlsext_host_name(c.ssl, RIG_HOST));
	SSL_set_bio(c.ssl, in, out);
	(void)SSL_connect(c.ssl);
	n = BIO_get_mem_data(out, &hello);
	for (long i = 0; i < n; i++)
		assert_int_equal(write(c.fd, hello + i, 1), 1);
	TEST_CA_MUST(SSL_set_fd(c.ssl, c.fd));
	assert_int_equal(SSL_connect(c.ssl), 1);
	rig_close(&c);
}

/* ---- names that are not governed ---- */

static void *shake(void *arg)
{
	struct rig_end *e = arg;

	return SSL_connect(e->ssl) == 1 ? e : NULL;
}

/* A client of `name`, joined to the test's own server at the original destination. */
static void pass_flow(const char *name, const struct eg_flow *flow)
{
	pthread_t t;
	void *done;

	rig_connect_flow(&rig, &c, flow);
	c.ssl = SSL_new(rig.client_ctx);
	/* The destination's own certificate comes, which is for RIG_HOST here. */
	TEST_CA_MUST(c.ssl && SSL_set_fd(c.ssl, c.fd) && SSL_set_tlsext_host_name(c.ssl, name) &&
		     SSL_set1_host(c.ssl, RIG_HOST));
	assert_int_equal(pthread_create(&t, NULL, shake, &c), 0);
	rig_accept(&rig, &u);
	pthread_join(t, &done);
	assert_non_null(done);
	assert_string_equal(SSL_get_servername(u.ssl, TLSEXT_NAMETYPE_host_name), name);
}

static void pass(const char *name)
{
	struct eg_flow flow = rig_flow(&rig);

	pass_flow(name, &flow);
}

static void ungoverned_name_passes_untouched(void **state)
{
	(void)state;
	pass("example.org");
	rig_send(&c, "anything");
	rig_until(&u, "anything");
	rig_send(&u, "goes");
	rig_until(&c, "goes");
	/* Each end closes for itself. */
	assert_int_equal(SSL_shutdown(c.ssl), 0);
	(void)shutdown(c.fd, SHUT_WR);
	assert_int_equal(rig_ended(&u), 1);
	rig_send(&u, "still");
	rig_until(&c, "still");
	rig_close(&u);
	assert_int_equal(rig_ended(&c), 1);
	rig_close(&c);
	assert_int_equal(rig.minted, 0);
	assert_int_equal(rig.attested, 0);
	assert_false(rig_has_record(&rig));
}

static int put_ech(SSL *ssl, unsigned type, unsigned context, const unsigned char **out, size_t *n,
		   X509 *x, size_t at, int *alert_code, void *arg)
{
	(void)ssl, (void)type, (void)context, (void)x, (void)at, (void)alert_code, (void)arg;
	*out = (const unsigned char *)"\x01grease";
	*n = 7;
	return 1;
}

/* A name outside says nothing when another may be hidden inside; where no provider lives it is
 * nobody's business. */
static void hidden_name_at_a_providers_address(void **state)
{
	struct eg_flow flow = rig_flow(&rig);

	(void)state;
	TEST_CA_MUST(SSL_CTX_add_custom_ext(rig.client_ctx, 0xfe0d, SSL_EXT_CLIENT_HELLO, put_ech,
					    NULL, NULL, NULL, NULL));
	rig_connect(&rig, &c);
	assert_int_equal(rig_handshake(&c, rig.client_ctx, "example.org"), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_UNRECOGNIZED_NAME);
	noted(EG_REASON_no_sni);
	rig_close(&c);
	flow.provider = 0;
	pass_flow("example.org", &flow);
	rig_send(&c, "anything");
	rig_until(&u, "anything");
	rig_close(&c);
	rig_close(&u);
	/* a governed name outside is what we terminate, whatever is inside */
	rig_open(&rig, &c);
	rig_close(&c);
}

static void passing_much(void **state)
{
	static char out[4000000], in[4000000];
	size_t sent = 0, got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31 >> 3);
	pass("example.org");
	while (got < sizeof(in)) {
		size_t n;

		if (sent < sizeof(out)) {
			rig_send_n(&c, out + sent, 200000);
			sent += 200000;
		}
		while (got < sent) {
			assert_int_equal(SSL_read_ex(u.ssl, in + got, sizeof(in) - got, &n), 1);
			got += n;
		}
	}
	assert_memory_equal(out, in, sizeof(out));
	rig_close(&c);
	rig_close(&u);
}

static void reset_passes_on(void **state)
{
	(void)state;
	pass("example.org");
	rig_reset(&u);
	assert_int_equal(rig_ended(&c), 0);
	rig_close(&c);
	pass("example.org");
	rig_reset(&c);
	assert_int_equal(rig_ended(&u), 0);
	rig_close(&u);
}

struct closing {
	unsigned before, after;
};

static void close_busy(void *arg)
{
	struct closing *cl = arg;

	cl->before = rig_fds();
	conn_close(TAILQ_FIRST(&rig.w->conns.busy), true);
	cl->after = rig_fds();
}

/* At once: what is already on its way in this turn of the loop finds nothing to go on with. */
static void closing_one_that_passes_ends_both_sides(void **state)
{
	struct closing cl;

	(void)state;
	pass("example.org");
	rig_do(&rig.at_worker, close_busy, &cl);
	assert_int_equal(cl.after, cl.before - 2);
	assert_int_equal(rig_ended(&c), 0);
	assert_int_equal(rig_ended(&u), 0);
	rig_close(&c);
	rig_close(&u);
}

static void destination_that_refuses(void **state)
{
	struct eg_flow flow = rig_flow(&rig);
	char byte;

	(void)state;
	close(rig.listener);
	rig_connect_flow(&rig, &c, &flow);
	c.ssl = SSL_new(rig.client_ctx);
	TEST_CA_MUST(c.ssl && SSL_set_fd(c.ssl, c.fd) &&
		     SSL_set_tlsext_host_name(c.ssl, "example.org"));
	assert_int_equal(SSL_connect(c.ssl), -1);
	assert_true(recv(c.fd, &byte, 1, 0) <= 0);
	rig_close(&c);
	rig.listener = socket(AF_INET, SOCK_STREAM, 0);
}

/* ---- too many ---- */

/* A request that needs no provider. */
static void touch(struct rig_end *e)
{
	rig_forget(e);
	rig_send(e, "GET /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_until(e, "unknown_operation\"");
	(void)rig_record(&rig);
}

static void the_longest_idle_makes_room(void **state)
{
	static struct rig_end a, b, d;

	(void)state;
	each_again("\"connections\":2");
	rig_open(&rig, &a);
	rig_open(&rig, &b);
	touch(&b);
	touch(&a);
	rig_open(&rig, &d); /* in place of b, which rests since longest */
	assert_int_equal(rig_ended(&b), 1);
	touch(&a);
	rig_close(&a);
	rig_close(&b);
	rig_close(&d);
}

static void nobody_at_work_makes_room(void **state)
{
	char byte;

	(void)state;
	each_again("\"connections\":1");
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	{
		static struct rig_end other;

		rig_connect(&rig, &other);
		assert_int_equal(recv(other.fd, &byte, 1, 0), 0);
		rig_close(&other);
	}
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_tls),
		cmocka_unit_test(malformed),
		cmocka_unit_test(cut),
		cmocka_unit_test(too_large),
		cmocka_unit_test(late),
		cmocka_unit_test(no_name),
		cmocka_unit_test(client_without_our_ca_is_named),
		cmocka_unit_test(no_certificate),
		cmocka_unit_test(nobody_says_who_it_is),
		cmocka_unit_test(one_certificate_serves_many),
		cmocka_unit_test(hello_byte_by_byte),
		cmocka_unit_test(ungoverned_name_passes_untouched),
		cmocka_unit_test(hidden_name_at_a_providers_address),
		cmocka_unit_test(passing_much),
		cmocka_unit_test(reset_passes_on),
		cmocka_unit_test(closing_one_that_passes_ends_both_sides),
		cmocka_unit_test(destination_that_refuses),
		cmocka_unit_test(the_longest_idle_makes_room),
		cmocka_unit_test(nobody_at_work_makes_room),
	};

	return EACH_RUN(tests);
}
