/* SPDX-License-Identifier: Apache-2.0 */
/* Which ends of a handshake mean "this client does not trust our CA", and which do not. */
#include "tests/unit/tls/serve.h"

/* How the client judges our certificate. */
enum manner { STRICT, WITH_ALERT_BAD, WITH_ALERT_UNKNOWN, AFTERWARDS };

/* OpenSSL chooses the alert by the error: bad_certificate for this one, */
static int on_verify_bad(int ok, X509_STORE_CTX *x)
{
	(void)ok;
	X509_STORE_CTX_set_error(x, X509_V_ERR_CERT_REJECTED);
	return 0;
}

/* certificate_unknown for what it has no better word for. */
static int on_verify_unknown(int ok, X509_STORE_CTX *x)
{
	(void)ok;
	X509_STORE_CTX_set_error(x, X509_V_ERR_AKID_SKID_MISMATCH);
	return 0;
}

static SSL_CTX *distrusting(int version, enum manner manner)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_true(SSL_CTX_set_max_proto_version(ctx, version));
	if (manner == WITH_ALERT_BAD)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify_bad);
	else if (manner == WITH_ALERT_UNKNOWN)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify_unknown);
	else
		SSL_CTX_set_verify(ctx, manner == STRICT ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	return ctx;
}

/* What the server makes of a client that does so. */
static bool judged(void **state, int version, enum manner manner, const char *words)
{
	struct serve *f = *state;
	SSL_CTX *server = serve_context(f, "api.test"), *client = distrusting(version, manner);
	char text[100], c;
	struct link l;
	bool distrust;

	link_open(&l, client, server, "api.test");
	if (manner == AFTERWARDS)
		SSL_set_hostflags(l.client, 0);
	link_shake(&l);
	if (manner == AFTERWARDS) {
		assert_int_equal(l.server_error, 0);
		shutdown(l.client_fd, SHUT_RDWR);
		l.server_error = SSL_get_error(l.server, SSL_read(l.server, &c, 1));
	}
	assert_int_not_equal(l.server_error, 0);
	distrust = tls_is_distrust(l.server, l.server_error, text, sizeof(text));
	if (!strstr(text, words))
		fail_msg("\"%s\" lacks \"%s\"", text, words);
	assert_int_equal(ERR_peek_error(), 0);
	link_close(&l);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return distrust;
}

static void test_alert_unknown_ca(void **state)
{
	assert_true(judged(state, TLS1_3_VERSION, STRICT, "unknown ca"));
	assert_true(judged(state, TLS1_2_VERSION, STRICT, "unknown ca"));
}

static void test_alert_bad_certificate(void **state)
{
	assert_true(judged(state, TLS1_3_VERSION, WITH_ALERT_BAD, "bad certificate"));
	assert_true(judged(state, TLS1_2_VERSION, WITH_ALERT_BAD, "bad certificate"));
}

static void test_alert_certificate_unknown(void **state)
{
	assert_true(judged(state, TLS1_3_VERSION, WITH_ALERT_UNKNOWN, "certificate unknown"));
	assert_true(judged(state, TLS1_2_VERSION, WITH_ALERT_UNKNOWN, "certificate unknown"));
}

/* As Node: the handshake completes, the certificate is looked at, the socket is closed. */
static void test_close_after_the_handshake(void **state)
{
	assert_true(judged(state, TLS1_3_VERSION, AFTERWARDS, ""));
	assert_true(judged(state, TLS1_2_VERSION, AFTERWARDS, ""));
}

/* The client's first message, then silence until its socket closes or is reset. */
static bool judged_after_hello(void **state, int version, bool answer, bool resume)
{
	struct serve *f = *state;
	SSL_CTX *server = serve_context(f, "api.test"), *client = serve_client_context(f);
	SSL_SESSION *session = NULL;
	char text[100];
	struct link l;
	bool distrust;

	assert_true(SSL_CTX_set_max_proto_version(client, version));
	if (resume) {
		link_open(&l, client, server, "api.test");
		link_shake(&l);
		link_talk(&l);
		session = SSL_get1_session(l.client);
		link_close(&l);
	}
	link_open(&l, client, server, "api.test");
	if (session)
		assert_true(SSL_set_session(l.client, session));
	if (answer) {
		assert_false(link_step(l.client, &l.client_error, &l.client_reason));
		assert_false(link_step(l.server, &l.server_error, &l.server_reason));
	}
	shutdown(l.client_fd, SHUT_RDWR);
	assert_true(link_step(l.server, &l.server_error, &l.server_reason));
	distrust = tls_is_distrust(l.server, l.server_error, text, sizeof(text));
	link_close(&l);
	SSL_SESSION_free(session);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return distrust;
}

static void test_close_right_after_our_certificate(void **state)
{
	assert_true(judged_after_hello(state, TLS1_3_VERSION, true, false));
	assert_true(judged_after_hello(state, TLS1_2_VERSION, true, false));
}

static void test_close_before_our_certificate(void **state)
{
	assert_false(judged_after_hello(state, TLS1_3_VERSION, false, false));
	assert_false(judged_after_hello(state, TLS1_2_VERSION, false, false));
}

static void test_close_of_a_resumed_session(void **state)
{
	assert_false(judged_after_hello(state, TLS1_3_VERSION, true, true));
	assert_false(judged_after_hello(state, TLS1_2_VERSION, true, true));
}

static void test_other_failures_are_something_else(void **state)
{
	struct serve *f = *state;
	SSL_CTX *server = serve_context(f, "api.test"), *client = serve_client_context(f);
	char text[100];
	struct link l;

	assert_int_equal(SSL_CTX_set_alpn_protos(client, (const unsigned char *)"\x02h2", 3), 0);
	link_open(&l, client, server, "api.test");
	link_shake(&l);
	assert_int_equal(l.server_error, SSL_ERROR_SSL);
	assert_false(tls_is_distrust(l.server, l.server_error, text, sizeof(text)));
	assert_string_equal(text, "no application protocol");
	link_close(&l);
	link_open(&l, client, server, "api.test");
	assert_int_equal(send(l.client_fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	assert_true(link_step(l.server, &l.server_error, &l.server_reason));
	assert_false(tls_is_distrust(l.server, l.server_error, text, sizeof(text)));
	assert_string_equal(text, "http request");
	link_close(&l);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, serve_setup, serve_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(alert_unknown_ca),
		T(alert_bad_certificate),
		T(alert_certificate_unknown),
		T(close_after_the_handshake),
		T(close_right_after_our_certificate),
		T(close_before_our_certificate),
		T(close_of_a_resumed_session),
		T(other_failures_are_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
