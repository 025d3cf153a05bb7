/* SPDX-License-Identifier: Apache-2.0 */
/* Session tickets: resume at any worker, after a rotation, and never under another name. */
#include <openssl/rand.h>

#include "tests/unit/tls/serve.h"

static const unsigned char key_a[80] = { 'a', 1 }, key_b[80] = { 'b', 2 }, key_c[80] = { 'c', 3 };

/* What came of a connection. */
struct visit {
	bool reused;
	SSL_SESSION *session; /* what the client may resume next */
};

/* A connection to `name` that offers `session` (or none). */
static struct visit visit(struct serve *f, const char *name, SSL_SESSION *session, int version)
{
	SSL_CTX *server = serve_context(f, name), *client = serve_client_context(f);
	struct visit v;
	struct link l;

	assert_true(SSL_CTX_set_max_proto_version(client, version));
	link_open(&l, client, server, name);
	if (session)
		assert_true(SSL_set_session(l.client, session));
	link_shake(&l);
	assert_int_equal(l.server_error, 0);
	assert_int_equal(l.client_error, 0);
	link_talk(&l);
	v = (struct visit){ .reused = SSL_session_reused(l.server),
			    .session = SSL_get1_session(l.client) };
	assert_int_equal(v.reused, SSL_session_reused(l.client));
	link_close(&l);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return v;
}

/* Whether a ticket of `from` resumes at `to`. */
static bool resumes(struct serve *f, const char *from, const char *to, int version)
{
	struct visit first = visit(f, from, NULL, version);
	struct visit second = visit(f, to, first.session, version);

	assert_false(first.reused);
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(second.session);
	return second.reused;
}

static void test_resumes(void **state)
{
	assert_true(resumes(*state, "api.test", "api.test", TLS1_3_VERSION));
	assert_true(resumes(*state, "api.test", "api.test", TLS1_2_VERSION));
}

static void test_not_under_another_name(void **state)
{
	assert_false(resumes(*state, "api.test", "other.test", TLS1_3_VERSION));
	assert_false(resumes(*state, "api.test", "other.test", TLS1_2_VERSION));
}

/* A ticket by one worker, then a connection to another that has these keys. */
static bool resumes_at(void **state, const void *issued_by, const void *current,
		       const void *previous, int version)
{
	struct serve *f = *state, *other;
	struct visit first, second;
	void *other_state;

	assert_int_equal(serve_setup(&other_state), 0);
	other = other_state;
	assert_int_equal(tls_server_set_tickets(f->server, issued_by, NULL), 0);
	if (current)
		assert_int_equal(tls_server_set_tickets(other->server, current, previous), 0);
	/* One authority, so that the client trusts both. */
	test_ca_free(&other->ca);
	other->ca = f->ca;
	(void)EVP_PKEY_up_ref(f->ca.key);
	(void)X509_up_ref(f->ca.cert);
	first = visit(f, "api.test", NULL, version);
	second = visit(other, "api.test", first.session, version);
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(second.session);
	(void)serve_teardown(&other_state);
	return second.reused;
}

static void test_resumes_at_another_worker(void **state)
{
	assert_true(resumes_at(state, key_a, key_a, key_b, TLS1_3_VERSION));
	assert_true(resumes_at(state, key_a, key_a, NULL, TLS1_2_VERSION));
}

static void test_previous_keys_are_accepted(void **state)
{
	assert_true(resumes_at(state, key_a, key_b, key_a, TLS1_3_VERSION));
	assert_true(resumes_at(state, key_a, key_b, key_a, TLS1_2_VERSION));
}

static void test_keys_before_those_are_not(void **state)
{
	assert_false(resumes_at(state, key_a, key_c, key_b, TLS1_3_VERSION));
	assert_false(resumes_at(state, key_a, key_c, key_b, TLS1_2_VERSION));
	assert_false(resumes_at(state, key_a, key_c, NULL, TLS1_2_VERSION));
}

static void test_own_keys_until_told(void **state)
{
	assert_false(resumes_at(state, key_a, NULL, NULL, TLS1_3_VERSION));
}

/* Same name of key, other secret: the HMAC must not match. */
static void test_forged_key_name_does_not_resume(void **state)
{
	unsigned char forged[80];

	memcpy(forged, key_a, sizeof(forged));
	forged[20] ^= 1;
	assert_false(resumes_at(state, key_a, forged, NULL, TLS1_3_VERSION));
	assert_false(resumes_at(state, key_a, forged, NULL, TLS1_2_VERSION));
}

static void on_renewal(void **state, int version)
{
	struct serve *f = *state;
	struct visit first, second, third;

	assert_int_equal(tls_server_set_tickets(f->server, key_a, NULL), 0);
	first = visit(f, "api.test", NULL, version);
	assert_int_equal(tls_server_set_tickets(f->server, key_b, key_a), 0);
	second = visit(f, "api.test", first.session, version);
	assert_true(second.reused);
	assert_int_equal(tls_server_set_tickets(f->server, key_c, key_b), 0);
	third = visit(f, "api.test", second.session, version);
	assert_true(third.reused);
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(second.session);
	SSL_SESSION_free(third.session);
}

static void test_old_ticket_is_renewed(void **state)
{
	on_renewal(state, TLS1_3_VERSION);
	on_renewal(state, TLS1_2_VERSION);
}

/* RFC 8446 C.4: a client should use a ticket once, so it needs the next one each time. */
static void test_resumed_connection_brings_a_new_ticket(void **state)
{
	struct visit first = visit(*state, "api.test", NULL, TLS1_3_VERSION);
	struct visit second = visit(*state, "api.test", first.session, TLS1_3_VERSION);
	const unsigned char *a, *b;
	size_t a_n, b_n;

	assert_true(second.reused);
	SSL_SESSION_get0_ticket(first.session, &a, &a_n);
	SSL_SESSION_get0_ticket(second.session, &b, &b_n);
	assert_false(slice_eq(slice_of(a, a_n), slice_of(b, b_n)));
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(second.session);
}

/* Early data could be replayed, so no ticket allows it. */
static void test_ticket_allows_no_early_data(void **state)
{
	struct visit v = visit(*state, "api.test", NULL, TLS1_3_VERSION);

	assert_int_equal(SSL_SESSION_get_max_early_data(v.session), 0);
	SSL_SESSION_free(v.session);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, serve_setup, serve_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(resumes),
		T(not_under_another_name),
		T(resumes_at_another_worker),
		T(previous_keys_are_accepted),
		T(keys_before_those_are_not),
		T(own_keys_until_told),
		T(forged_key_name_does_not_resume),
		T(old_ticket_is_renewed),
		T(resumed_connection_brings_a_new_ticket),
		T(ticket_allows_no_early_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
