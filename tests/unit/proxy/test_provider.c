/* SPDX-License-Identifier: Apache-2.0 */
/* Providers that fail: what the client is told, what is tried again, and what never is. */
#include "tests/unit/proxy/each.h"

static void ask(void)
{
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
}

static struct eg_record failed(const char *status, enum eg_reason end)
{
	struct eg_record rec;

	rig_until(&c, "\r\n\r\n");
	if (strncmp(c.text, status, strlen(status)) != 0)
		fail_msg("wanted %s, got: %s", status, c.text);
	/* Where it may help to try again, SDKs may. */
	assert_int_equal(!strstr(c.text, "x-should-retry: false"),
			 end != EG_REASON_upstream_untrusted);
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_allowed);
	assert_int_equal(rec.end, end);
	return rec;
}

static void nobody_listens(void **state)
{
	struct eg_record rec;

	(void)state;
	close(rig.listener);
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rec = failed("HTTP/1.1 502 ", EG_REASON_upstream_unreachable);
	assert_int_equal(rec.status, 502);
	rig_until(&c, "\"error\"");
	/* and the client's connection is kept */
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_unreachable);
	rig_close(&c);
	rig.listener = socket(AF_INET, SOCK_STREAM, 0);
}

static void address_that_must_not_be_dialled(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_set_policy(&rig,
		       "{ \"workloads\": { \"app\": { \"match\": [{ \"user\": \"root\" }] } },"
		       "  \"rules\": [{ \"id\": \"a\", \"when\": { \"workload\": \"app\" },"
		       "                \"allow\": { \"credential\": \"k\" } }] }");
	rig_open_host(&rig, &c, "api.anthropic.com");
	rig_send(&c, "GET /v1/models HTTP/1.1\r\nhost: api.anthropic.com\r\n\r\n");
	rig_until(&c, "HTTP/1.1 403 ");
	rig_until(&c, "upstream_refused_address");
	rec = rig_record(&rig);
	assert_int_equal(rec.end, EG_REASON_upstream_refused_address);
	rig_close(&c);
}

static void strange_certificate(void **state)
{
	struct test_ca other;
	struct test_leaf leaf = { .san = "DNS:" RIG_HOST };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x;
	int fd;
	SSL *ssl;

	(void)state;
	test_ca_new(&other, "other");
	x = test_ca_sign(&other, key, &leaf);
	TEST_CA_MUST(SSL_CTX_use_cert_and_key(rig.provider_ctx, x, key, NULL, 1));
	X509_free(x);
	EVP_PKEY_free(key);
	test_ca_free(&other);
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	fd = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC);
	rig_limit(fd);
	ssl = SSL_new(rig.provider_ctx);
	TEST_CA_MUST(ssl && SSL_set_fd(ssl, fd));
	if (SSL_accept(ssl) == 1)
		assert_true(SSL_read(ssl, c.text, 1) <= 0); /* nothing was said to it */
	(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_untrusted);
	SSL_free(ssl);
	close(fd);
	rig_close(&c);
}

static void closes_without_a_word(void **state)
{
	(void)state;
	ask();
	rig_close(&u);
	(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_closed);
	/* A new connection that took the request is not tried again. */
	assert_false(rig_has_provider_conn(&rig));
	rig_close(&c);
}

static void resets_without_a_word(void **state)
{
	(void)state;
	ask();
	rig_reset(&u);
	(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_closed);
	assert_false(rig_has_provider_conn(&rig));
	rig_close(&c);
}

static void ends_within_the_head(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-le");
	rig_close(&u);
	(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_closed);
	rig_close(&c);
}

static void speaks_garbage(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
		"HTTP/1.1 200 OK\nx: y\n\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ask();
		rig_send(&u, bad[i]);
		(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_bad_response);
		rig_close(&c);
		rig_close(&u);
	}
}

static void answers_too_late(void **state)
{
	(void)state;
	each_again("\"first_byte_ms\":100");
	ask();
	(void)failed("HTTP/1.1 504 ", EG_REASON_upstream_timeout);
	(void)rig_ended(&u);
	rig_close(&c);
	rig_close(&u);
}

static void a_stream_has_no_time_limit(void **state)
{
	struct pollfd none = { .fd = -1 };

	(void)state;
	each_again("\"first_byte_ms\":60,\"idle_ms\":60,\"body_ms\":60,\"head_ms\":60");
	ask();
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na");
	rig_until(&c, "\r\n\r\na");
	(void)poll(&none, 1, 200);
	rig_send(&u, "b");
	rig_until(&c, "ab");
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	rig_close(&c);
	rig_close(&u);
}

/* The provider closes a kept connection; the next request finds that out before it is sent, or
 * when nothing of it was taken: it goes on a new one. */
static void stale_connection(void **state)
{
	(void)state;
	ask();
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_reset(&u);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	rig_close(&c);
	rig_close(&u);
}

static void hold(void *arg)
{
	while (sem_wait(arg) < 0)
		;
}

static void *hold_worker(void *arg)
{
	rig_do(&rig.at_worker, hold, arg);
	return NULL;
}

/* The same, but the worker hears of both at once. */
static void stale_connection_at_the_same_moment(void **state)
{
	static void (*const end[])(struct rig_end *) = { rig_reset, rig_close };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(end); i++) {
		pthread_t t;
		sem_t go;

		ask();
		rig_answer(&u, &c);
		(void)rig_record(&rig);
		assert_int_equal(sem_init(&go, 0, 0), 0);
		assert_int_equal(pthread_create(&t, NULL, hold_worker, &go), 0);
		end[i](&u);
		rig_forget(&c);
		rig_post(&c, RIG_CHAT, "", RIG_BODY);
		sem_post(&go);
		pthread_join(t, NULL);
		sem_destroy(&go);
		rig_accept(&rig, &u);
		rig_until(&u, RIG_BODY);
		rig_answer(&u, &c);
		assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
		rig_close(&c);
		rig_close(&u);
	}
}

/* A kept connection that takes the request and then dies may have acted on it. */
static void taken_on_a_kept_connection_is_not_repeated(void **state)
{
	(void)state;
	ask();
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_forget(&c);
	rig_forget(&u);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&u, RIG_BODY);
	rig_close(&u);
	(void)failed("HTTP/1.1 502 ", EG_REASON_upstream_closed);
	assert_false(rig_has_provider_conn(&rig));
	rig_close(&c);
}

/* An answer while nothing was asked is not taken for the next request's. */
static void unasked_answer_is_not_used(void **state)
{
	struct pollfd none = { .fd = -1 };

	(void)state;
	ask();
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
	(void)poll(&none, 1, 50);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_close(&u);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	assert_null(strstr(c.text, "evil"));
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void bytes_after_the_answer_end_the_connection(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
		     "content-length: 4\r\n\r\nevil");
	rig_until(&c, "\r\n\r\nok");
	(void)rig_record(&rig);
	(void)rig_ended(&u);
	rig_close(&u);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	assert_null(strstr(c.text, "evil"));
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void provider_may_refuse_while_we_send(void **state)
{
	static char body[3000000];

	(void)state;
	memset(body, 'z', sizeof(body));
	memcpy(body, "{\"model\":\"gpt-4o-mini\",\"max_tokens\":7,\"x\":\"", 43);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", body);
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\n");
	rig_send(&u, "HTTP/1.1 429 Slow\r\ncontent-length: 4\r\n\r\nslow");
	rig_until(&c, "\r\n\r\nslow");
	assert_int_equal(rig_record(&rig).status, 429);
	rig_close(&c);
	rig_close(&u);
}

static void gives_connection_close(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
	rig_until(&c, "\r\n\r\nok");
	assert_null(strstr(c.text, "connection: close"));
	(void)rig_record(&rig);
	rig_close(&u);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

/* ---- the provider refuses the key ---- */

static struct eg_record refused_key(void)
{
	struct eg_record rec;

	rig_until(&c, "\r\n\r\n");
	rig_until(&c, "\"error\"");
	if (strncmp(c.text, "HTTP/1.1 403 ", 13) != 0 ||
	    !strstr(c.text, "egret-reason: credential_refused") ||
	    !strstr(c.text, "x-should-retry: false") || !strstr(c.text, "openai-main"))
		fail_msg("got: %s", c.text);
	assert_null(strstr(c.text, "0123456789"));
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_allowed);
	assert_int_equal(rec.end, EG_REASON_credential_refused);
	assert_int_equal(rec.status, 403);
	rig_wait_note(&rig, EG_REASON_credential_refused);
	assert_non_null(strstr(rig.note.text, "openai-main"));
	assert_null(strstr(rig.note.text, "0123456789"));
	return rec;
}

static void rejected_key_is_not_shown(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer x=\"" RIG_KEY
		     "\"\r\ncontent-length: 45\r\n\r\n{\"error\":\"bad key " RIG_KEY "\"}");
	(void)refused_key();
	rig_close(&u);
	/* and the client's connection is kept */
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

/* Eight bytes of it, the public prefix aside, wherever a read ends. */
static void part_of_a_key_is_not_shown(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n"
		     "9\r\nkey *0123\r\n");
	rig_send(&u, "8\r\n4567*is!\r\n0\r\n\r\n");
	(void)refused_key();
	rig_close(&c);
	rig_close(&u);
}

static void body_that_cannot_be_read_is_not_shown(void **state)
{
	static char body[70000];

	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 403 Forbidden\r\ncontent-encoding: gzip\r\ncontent-length: "
		     "3\r\n\r\nabc");
	(void)refused_key();
	rig_close(&u);
	rig_close(&c);
	ask();
	memset(body, 'x', sizeof(body));
	rig_send(&u, "HTTP/1.1 403 Forbidden\r\ncontent-length: 70000\r\n\r\n");
	rig_send_n(&u, body, sizeof(body));
	rig_until(&c, "credential_refused");
	rig_close(&c);
	rig_close(&u);
}

/* Not allowed for other reasons: the provider's own words, byte for byte. */
static void other_refusals_pass(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 403 Forbidden\r\ncontent-length: 23\r\n\r\nno sk-real key, 012345.",
		"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n"
		"17\r\nno sk-real key, 012345.\r\n0\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\n\r\nno sk-real key, 012345.",
	};
	struct eg_record rec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		ask();
		rig_send(&u, answers[i]);
		rig_close(&u);
		rig_until(&c, "no sk-real key, 012345.");
		assert_int_equal(strncmp(c.text, "HTTP/1.1 403 Forbidden\r\n", 24), 0);
		rec = rig_record(&rig);
		assert_int_equal(rec.end, EG_REASON_allowed);
		assert_int_equal(rec.status, 403);
		assert_int_equal(rec.bytes_out, 23);
		rig_close(&c);
	}
	assert_int_equal(rig.notes, 0);
}

static void fields_with_the_key_and_egrets_own_do_not_pass(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-echo: Bearer " RIG_KEY
		     "\r\nEgret-Request-Id: forged\r\negret-reason: allowed\r\nx-b: 2\r\n"
		     "content-length: 2\r\n\r\nok");
	rig_until(&c, "\r\n\r\nok");
	assert_null(strstr(c.text, RIG_KEY));
	assert_null(strstr(c.text, "forged"));
	assert_null(strstr(c.text, "egret-reason"));
	assert_non_null(strstr(c.text, "x-a: 1\r\nx-b: 2\r\n"));
	assert_non_null(strstr(c.text, "egret-request-id: "));
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

/* The client must get `want` at its end, and never the key. */
static void with_trailers(const char *head, const char *trailers, const char *want)
{
	ask();
	rig_send(&u, head);
	rig_send(&u, "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
	rig_until(&c, "ok\r\n");
	rig_send(&u, "0\r\n");
	rig_send(&u, trailers);
	(void)rig_record(&rig);
	rig_until(&c, want);
	assert_null(strstr(c.text, RIG_KEY));
	rig_close(&c);
	rig_close(&u);
}

static void trailers_with_the_key_do_not_pass(void **state)
{
	(void)state;
	with_trailers("HTTP/1.1 200 OK\r\ntrailer: x-sum, x-echo\r\n",
		      "x-sum: 7\r\nx-echo: Bearer " RIG_KEY "\r\n\r\n",
		      "ok\r\n0\r\nx-sum: 7\r\n\r\n");
}

/* The key is no longer held when they come. */
static void trailers_not_announced_do_not_pass(void **state)
{
	(void)state;
	with_trailers("HTTP/1.1 200 OK\r\n", "x-sum: 7\r\nx-echo: " RIG_KEY "\r\n\r\n",
		      "ok\r\n0\r\n\r\n");
}

/* Of a refusal that was held none passes: part of a key is enough there. */
static void trailers_of_a_refusal_do_not_pass(void **state)
{
	(void)state;
	ask();
	rig_send(&u, "HTTP/1.1 403 Forbidden\r\ntrailer: x-hint\r\ntransfer-encoding: chunked"
		     "\r\n\r\n2\r\nno\r\n0\r\nx-hint: key *01234567*\r\n\r\n");
	rig_until(&c, "no\r\n0\r\n\r\n");
	assert_null(strstr(c.text, "x-hint"));
	assert_null(strstr(c.text, "01234567"));
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rejected_key_is_not_shown),
		cmocka_unit_test(part_of_a_key_is_not_shown),
		cmocka_unit_test(body_that_cannot_be_read_is_not_shown),
		cmocka_unit_test(other_refusals_pass),
		cmocka_unit_test(fields_with_the_key_and_egrets_own_do_not_pass),
		cmocka_unit_test(trailers_with_the_key_do_not_pass),
		cmocka_unit_test(trailers_not_announced_do_not_pass),
		cmocka_unit_test(trailers_of_a_refusal_do_not_pass),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(address_that_must_not_be_dialled),
		cmocka_unit_test(strange_certificate),
		cmocka_unit_test(closes_without_a_word),
		cmocka_unit_test(resets_without_a_word),
		cmocka_unit_test(ends_within_the_head),
		cmocka_unit_test(speaks_garbage),
		cmocka_unit_test(answers_too_late),
		cmocka_unit_test(a_stream_has_no_time_limit),
		cmocka_unit_test(stale_connection),
		cmocka_unit_test(stale_connection_at_the_same_moment),
		cmocka_unit_test(taken_on_a_kept_connection_is_not_repeated),
		cmocka_unit_test(unasked_answer_is_not_used),
		cmocka_unit_test(bytes_after_the_answer_end_the_connection),
		cmocka_unit_test(provider_may_refuse_while_we_send),
		cmocka_unit_test(gives_connection_close),
	};

	return EACH_RUN(tests);
}
