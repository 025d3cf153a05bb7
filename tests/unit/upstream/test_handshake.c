/* SPDX-License-Identifier: Apache-2.0 */
/* Whom we believe to be the provider, and what becomes of a handshake that goes wrong. */
#include "tests/unit/upstream/calls.h"

static void start(struct calls *f, struct provider *p, const struct provider_opts *o)
{
	struct provider_opts opts = *o;

	if (!opts.ca)
		opts.ca = &f->ca;
	if (!opts.leaf.san && !opts.leaf.cn)
		opts.leaf.san = "DNS:api.test";
	provider_start(p, &opts);
}

/* The provider must be refused; nothing may be sent to it. */
static void refuses(void **state, const char *host, const struct provider_opts *o,
		    enum eg_reason reason, const char *words)
{
	struct provider p;

	start(*state, &p, o);
	calls_refused(*state, host, p.port, reason, words);
	provider_stop(&p);
}

static void accepts(void **state, const char *host, const struct provider_opts *o, int version)
{
	struct calls *f = *state;
	struct upstream_conn *c;
	struct provider p;

	start(f, &p, o);
	c = calls_get(f, host, p.port, "key");
	assert_int_equal(SSL_get_verify_result(c->ssl), X509_V_OK);
	assert_int_equal(SSL_version(c->ssl), version);
	assert_int_equal(calls_talk(f, c, 'p'), 'P');
	upstream_close(f->upstream, c);
	provider_stop(&p);
}

static void test_good_certificate(void **state)
{
	accepts(state, "api.test", &(struct provider_opts){ .max_version = 0 }, TLS1_3_VERSION);
}

static void test_tls_1_2(void **state)
{
	accepts(state, "api.test", &(struct provider_opts){ .max_version = TLS1_2_VERSION },
		TLS1_2_VERSION);
}

static void test_tls_1_1_is_refused(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .max_version = TLS1_1_VERSION },
		EG_REASON_upstream_unreachable, "protocol version");
}

static void test_wildcard_of_a_whole_label(void **state)
{
	accepts(state, "foo.wild.test",
		&(struct provider_opts){ .leaf = { .san = "DNS:*.wild.test" } }, TLS1_3_VERSION);
}

static void test_partial_wildcard(void **state)
{
	refuses(state, "foo.wild.test",
		&(struct provider_opts){ .leaf = { .san = "DNS:f*.wild.test" } },
		EG_REASON_upstream_untrusted, "not for foo.wild.test");
}

static void test_wrong_name(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .leaf = { .san = "DNS:other.test" } },
		EG_REASON_upstream_untrusted, "not for api.test");
}

static void test_name_in_the_subject_only(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .leaf = { .cn = "api.test" } },
		EG_REASON_upstream_untrusted, "not for api.test");
}

static void test_expired(void **state)
{
	refuses(state, "api.test",
		&(struct provider_opts){
			.leaf = { .san = "DNS:api.test", .from_s = -7200, .to_s = -3600 } },
		EG_REASON_upstream_untrusted, "expired; is this host's clock right?");
}

static void test_not_yet_valid(void **state)
{
	refuses(state, "api.test",
		&(struct provider_opts){
			.leaf = { .san = "DNS:api.test", .from_s = 3600, .to_s = 7200 } },
		EG_REASON_upstream_untrusted, "not yet valid");
}

static void test_self_signed(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .self_signed = true },
		EG_REASON_upstream_untrusted, "self-signed certificate");
}

static void test_unknown_authority(void **state)
{
	struct test_ca other;

	test_ca_new(&other, "another CA");
	refuses(state, "api.test", &(struct provider_opts){ .ca = &other },
		EG_REASON_upstream_untrusted, "unable to get local issuer certificate");
	test_ca_free(&other);
}

/* The same subject as the trusted one, another key. */
static void test_namesake_of_the_authority(void **state)
{
	struct test_ca other;

	test_ca_new(&other, "provider test CA");
	refuses(state, "api.test", &(struct provider_opts){ .ca = &other },
		EG_REASON_upstream_untrusted, "add it to the system store");
	test_ca_free(&other);
}

static void test_not_tls_at_all(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .manner = PROVIDER_GARBAGE },
		EG_REASON_upstream_unreachable, "TLS handshake failed: wrong version number");
}

static void test_reset_during_the_handshake(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .manner = PROVIDER_RESET },
		EG_REASON_upstream_unreachable, "Connection reset by peer");
}

static void test_close_during_the_handshake(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .manner = PROVIDER_CLOSE },
		EG_REASON_upstream_unreachable, "unexpected eof");
}

static void test_protocol_that_was_not_offered(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .manner = PROVIDER_H2 },
		EG_REASON_upstream_unreachable, "bad extension");
}

static int setup_hasty(void **state)
{
	return calls_setup_with(state, &(struct upstream_opts){ .connect_timeout_us = 100000 });
}

static void test_silence_is_a_timeout(void **state)
{
	refuses(state, "api.test", &(struct provider_opts){ .manner = PROVIDER_SILENT },
		EG_REASON_upstream_timeout, "no TLS handshake within 100 ms");
}

static void test_addresses_for_names_are_refused(void **state)
{
	calls_refused(*state, "127.0.0.1", 443, EG_REASON_upstream_untrusted, "only a name");
	calls_refused(*state, "::1", 443, EG_REASON_upstream_untrusted, "only a name");
}

static int setup_untrusting(void **state)
{
	int r = calls_setup(state);
	struct calls *f = *state;
	struct upstream_opts o = { .on_need_sockets = calls_on_need, .ctx = f };

	if (r < 0)
		return r;
	upstream_free(f->upstream);
	return upstream_new(f->loop, &o, &f->upstream);
}

static void test_without_trust_nothing_is_dialled(void **state)
{
	calls_refused(*state, "api.test", 443, EG_REASON_upstream_untrusted, "no trust bundle");
}

static void resumes(void **state, int version)
{
	struct calls *f = *state;
	struct upstream_conn *c;
	struct provider p;

	start(f, &p, &(struct provider_opts){ .max_version = version });
	for (unsigned i = 0; i < 3; i++) {
		c = calls_get(f, "api.test", p.port, "key");
		assert_false(c->reused);
		assert_int_equal(calls_talk(f, c, 'r'), i ? 'R' : 'F');
		upstream_close(f->upstream, c);
	}
	c = calls_get(f, "api.test", p.port, "key of another");
	assert_int_equal(calls_talk(f, c, 'r'), 'F');
	upstream_close(f->upstream, c);
	upstream_drop_credential(f->upstream, SLICE("key"));
	c = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, c, 'r'), 'F');
	upstream_close(f->upstream, c);
	provider_stop(&p);
}

static void test_session_resumes_for_its_credential_only(void **state)
{
	resumes(state, TLS1_3_VERSION);
	resumes(state, TLS1_2_VERSION);
}

/* A session made under one trust bundle must not vouch for the provider under the next. */
static void test_session_does_not_outlive_its_trust(void **state)
{
	struct calls *f = *state;
	struct upstream_conn *c;
	struct test_ca other;
	struct provider p;

	start(f, &p, &(struct provider_opts){ .max_version = 0 });
	c = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, c, 'r'), 'F');
	upstream_put(f->upstream, c);
	test_ca_new(&other, "another CA");
	calls_trust(f, other.cert);
	calls_refused(f, "api.test", p.port, EG_REASON_upstream_untrusted, "issuer");
	calls_trust(f, f->ca.cert);
	c = calls_get(f, "api.test", p.port, "key");
	assert_int_equal(calls_talk(f, c, 'r'), 'F');
	upstream_close(f->upstream, c);
	test_ca_free(&other);
	provider_stop(&p);
}

struct gate {
	struct calls *f;
	struct io io;
	int fds[2]; /* ours, the provider's */
	X509 *trusted; /* from then on */
	unsigned opened;
};

static void on_hello(struct io *io, int events)
{
	struct gate *g = container_of(io, struct gate, io);
	char c;

	(void)events;
	assert_int_equal(read(g->fds[0], &c, 1), 1);
	if (g->opened++ == 0)
		calls_trust(g->f, g->trusted);
	assert_int_equal(write(g->fds[0], "g", 1), 1);
}

/* Trust that changes while the handshake runs is the one that counts. */
static struct outcome change_of_trust(struct calls *f, X509 *before, X509 *after)
{
	struct gate g = { .f = f, .trusted = after };
	struct provider_opts o = { .max_version = 0 };
	struct upstream_target to;
	struct outcome outcome;
	struct provider p;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, g.fds), 0);
	o.gate = g.fds[1];
	start(f, &p, &o);
	io_start(&g.io, f->loop, g.fds[0], IO_READ, on_hello);
	calls_trust(f, before);
	to = calls_target("api.test", p.port, "key");
	outcome = calls_try(f, &to);
	assert_int_equal(g.opened, 2);
	io_stop(&g.io);
	close(g.fds[0]);
	close(g.fds[1]);
	provider_stop(&p);
	return outcome;
}

static void test_trust_changes_during_the_handshake(void **state)
{
	struct calls *f = *state;
	struct test_ca other;
	struct outcome o;

	test_ca_new(&other, "another CA");
	o = change_of_trust(f, f->ca.cert, other.cert);
	assert_null(o.conn);
	assert_int_equal(o.reason, EG_REASON_upstream_untrusted);
	o = change_of_trust(f, other.cert, f->ca.cert);
	assert_non_null(o.conn);
	upstream_put(f->upstream, o.conn);
	test_ca_free(&other);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(good_certificate),
		T(tls_1_2),
		T(tls_1_1_is_refused),
		T(wildcard_of_a_whole_label),
		T(partial_wildcard),
		T(wrong_name),
		T(name_in_the_subject_only),
		T(expired),
		T(not_yet_valid),
		T(self_signed),
		T(unknown_authority),
		T(namesake_of_the_authority),
		T(not_tls_at_all),
		T(reset_during_the_handshake),
		T(close_during_the_handshake),
		T(protocol_that_was_not_offered),
		cmocka_unit_test_setup_teardown(test_silence_is_a_timeout, setup_hasty,
						calls_teardown),
		T(addresses_for_names_are_refused),
		cmocka_unit_test_setup_teardown(test_without_trust_nothing_is_dialled,
						setup_untrusting, calls_teardown),
		T(session_resumes_for_its_credential_only),
		T(session_does_not_outlive_its_trust),
		T(trust_changes_during_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
