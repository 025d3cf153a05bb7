/* SPDX-License-Identifier: Apache-2.0 */
/* What a client can and cannot negotiate: versions, ALPN, names, renegotiation. */
#include "tests/unit/tls/serve.h"

struct shake {
	const char *sni;
	const char *alpn; /* wire form */
	int version; /* 0: any */
};

/* A handshake with the context of api.test. */
static void shake(struct serve *f, const struct shake *s, struct link *ret)
{
	SSL_CTX *server = serve_context(f, "api.test"), *client = serve_client_context(f);

	if (s->version) {
		assert_true(SSL_CTX_set_min_proto_version(client, s->version));
		assert_true(SSL_CTX_set_max_proto_version(client, s->version));
		SSL_CTX_set_security_level(client, 0);
	}
	if (s->alpn)
		assert_int_equal(SSL_CTX_set_alpn_protos(client, (const unsigned char *)s->alpn,
							 (unsigned)strlen(s->alpn)),
				 0);
	link_open(ret, client, server, s->sni);
	link_shake(ret);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

static void accepts(void **state, const struct shake *s, const char *alpn, int version)
{
	const unsigned char *picked;
	unsigned n;
	struct link l;

	shake(*state, s, &l);
	assert_int_equal(l.server_error, 0);
	assert_int_equal(l.client_error, 0);
	assert_int_equal(SSL_get_verify_result(l.client), X509_V_OK);
	SSL_get0_alpn_selected(l.client, &picked, &n);
	assert_int_equal(n, strlen(alpn));
	if (n)
		assert_memory_equal(picked, alpn, n);
	assert_int_equal(SSL_version(l.client), version);
	assert_int_equal(SSL_get_early_data_status(l.server), SSL_EARLY_DATA_NOT_SENT);
	link_talk(&l);
	link_close(&l);
}

static void refuses(void **state, const struct shake *s, int server_reason, int client_reason)
{
	struct link l;

	shake(*state, s, &l);
	assert_int_equal(l.server_error, SSL_ERROR_SSL);
	if (server_reason)
		assert_int_equal(l.server_reason, server_reason);
	ERR_clear_error();
	assert_true(link_step(l.client, &l.client_error, &l.client_reason));
	assert_int_equal(l.client_error, SSL_ERROR_SSL);
	assert_int_equal(l.client_reason, client_reason);
	link_close(&l);
}

static void test_http_1_1_is_chosen(void **state)
{
	accepts(state, &(struct shake){ .sni = "api.test", .alpn = "\x02h2\x08http/1.1" },
		"http/1.1", TLS1_3_VERSION);
}

static void test_http_1_0_alone_is_chosen(void **state)
{
	accepts(state, &(struct shake){ .sni = "api.test", .alpn = "\x08http/1.0" }, "http/1.0",
		TLS1_3_VERSION);
}

static void test_http_1_1_is_preferred_to_1_0(void **state)
{
	accepts(state, &(struct shake){ .sni = "api.test", .alpn = "\x08http/1.0\x08http/1.1" },
		"http/1.1", TLS1_3_VERSION);
}

static void test_http_0_9_alone_gets_no_application_protocol(void **state)
{
	refuses(state, &(struct shake){ .sni = "api.test", .alpn = "\x08http/0.9" },
		SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}

static void test_no_alpn_means_1_1(void **state)
{
	accepts(state, &(struct shake){ .sni = "api.test" }, "", TLS1_3_VERSION);
}

static void test_h2_alone_gets_no_application_protocol(void **state)
{
	refuses(state, &(struct shake){ .sni = "api.test", .alpn = "\x02h2" },
		SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}

static void test_tls_1_2(void **state)
{
	accepts(state, &(struct shake){ .sni = "api.test", .version = TLS1_2_VERSION }, "",
		TLS1_2_VERSION);
}

static void test_tls_1_1_is_refused(void **state)
{
	refuses(state, &(struct shake){ .sni = "api.test", .version = TLS1_1_VERSION },
		SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}

static void test_name_in_capitals_is_the_same(void **state)
{
	accepts(state, &(struct shake){ .sni = "API.test" }, "", TLS1_3_VERSION);
}

static void test_other_name_is_refused(void **state)
{
	refuses(state, &(struct shake){ .sni = "other.test" }, 0, SSL_R_TLSV1_UNRECOGNIZED_NAME);
}

static void test_parent_name_is_refused(void **state)
{
	refuses(state, &(struct shake){ .sni = ".test" }, 0, SSL_R_TLSV1_UNRECOGNIZED_NAME);
}

static void test_no_name_is_refused(void **state)
{
	refuses(state, &(struct shake){ .sni = NULL }, 0, SSL_R_TLSV1_UNRECOGNIZED_NAME);
	refuses(state, &(struct shake){ .sni = NULL, .version = TLS1_2_VERSION }, 0,
		SSL_R_TLSV1_UNRECOGNIZED_NAME);
}

static void test_root_is_not_sent(void **state)
{
	struct shake s = { .sni = "api.test" };
	struct link l;

	shake(*state, &s, &l);
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(l.client)), 1);
	link_close(&l);
}

static void test_renegotiation_is_refused(void **state)
{
	struct shake s = { .sni = "api.test", .version = TLS1_2_VERSION };
	struct link l;
	char c;

	shake(*state, &s, &l);
	assert_int_equal(l.client_error, 0);
	SSL_clear_options(l.client, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(l.client), 1);
	(void)SSL_do_handshake(l.client);
	assert_true(SSL_read(l.server, &c, 1) <= 0);
	assert_true(SSL_do_handshake(l.client) <= 0);
	assert_int_equal(SSL_num_renegotiations(l.server), 0);
	assert_false(SSL_in_init(l.server));
	link_close(&l);
}

/* Records that arrived together are read with one system call; the later ones wait inside. */
static void test_read_ahead_is_announced(void **state)
{
	struct shake s = { .sni = "api.test" };
	struct link l;
	char c;

	shake(*state, &s, &l);
	assert_int_equal(SSL_write(l.client, "a", 1), 1);
	assert_int_equal(SSL_write(l.client, "b", 1), 1);
	assert_int_equal(SSL_read(l.server, &c, 1), 1);
	assert_int_equal(recv(l.server_fd, &c, 1, MSG_PEEK), -1);
	assert_true(SSL_has_pending(l.server));
	assert_int_equal(SSL_read(l.server, &c, 1), 1);
	assert_int_equal(c, 'b');
	assert_false(SSL_has_pending(l.server));
	link_close(&l);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, serve_setup, serve_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(http_1_1_is_chosen),
		T(no_alpn_means_1_1),
		T(http_1_0_alone_is_chosen),
		T(http_1_1_is_preferred_to_1_0),
		T(http_0_9_alone_gets_no_application_protocol),
		T(h2_alone_gets_no_application_protocol),
		T(tls_1_2),
		T(tls_1_1_is_refused),
		T(name_in_capitals_is_the_same),
		T(other_name_is_refused),
		T(parent_name_is_refused),
		T(no_name_is_refused),
		T(root_is_not_sent),
		T(renegotiation_is_refused),
		T(read_ahead_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
