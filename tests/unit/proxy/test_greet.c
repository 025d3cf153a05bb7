/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of captured workloads: any protocol passes, a governed name does not, however late.
 */
#include "tests/unit/proxy/each.h"

#define HELLO_MAX 2048

static void connect_captured(void)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.provider = 0;
	rig_connect_flow(&rig, &c, &flow);
}

/* The worker's connection to where the client wanted to go, without TLS. */
static void accept_raw(void)
{
	struct pollfd p = { .fd = rig.listener, .events = POLLIN };

	assert_int_equal(poll(&p, 1, RIG_LIMIT_S * 1000), 1);
	u.fd = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC);
	u.ssl = NULL;
	rig_limit(u.fd);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void hears(int fd, const char *text)
{
	char got[256] = "";

	assert_int_equal(recv(fd, got, strlen(text), MSG_WAITALL), (ssize_t)strlen(text));
	assert_string_equal(got, text);
}

static void hears_end(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void end(void)
{
	cleanup_close(&c.fd);
	cleanup_close(&u.fd);
}

/* The bytes a client sends first for this name. */
static size_t hello_of(const char *host, char *to)
{
	SSL *ssl = SSL_new(rig.client_ctx);
	BIO *out = BIO_new(BIO_s_mem());
	int n;

	TEST_CA_MUST(ssl && out && SSL_set_tlsext_host_name(ssl, host));
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	assert_int_equal(SSL_connect(ssl), -1);
	n = BIO_read(out, to, HELLO_MAX);
	assert_true(n > 100);
	SSL_free(ssl);
	ERR_clear_error();
	return (size_t)n;
}

static void client_that_speaks_first(void **state)
{
	(void)state;
	connect_captured();
	say(c.fd, "GET / HTTP/1.1\r\n\r\n");
	accept_raw();
	hears(u.fd, "GET / HTTP/1.1\r\n\r\n");
	say(u.fd, "HTTP/1.1 200 OK\r\n\r\n");
	hears(c.fd, "HTTP/1.1 200 OK\r\n\r\n");
	(void)shutdown(c.fd, SHUT_WR);
	hears_end(u.fd);
	say(u.fd, "late");
	hears(c.fd, "late");
	end();
	assert_int_equal(rig.notes, 0);
}

static void server_that_speaks_first(void **state)
{
	(void)state;
	connect_captured();
	accept_raw();
	say(u.fd, "SSH-2.0-server\r\n");
	hears(c.fd, "SSH-2.0-server\r\n");
	say(c.fd, "SSH-2.0-client\r\n");
	hears(u.fd, "SSH-2.0-client\r\n");
	say(c.fd, "x");
	hears(u.fd, "x");
	end();
}

static void tls_to_other_names_and_to_none(void **state)
{
	char wire[HELLO_MAX], got[HELLO_MAX];
	size_t n;

	(void)state;
	connect_captured();
	n = hello_of("example.org", wire);
	assert_int_equal(write(c.fd, wire, n), n);
	accept_raw();
	assert_int_equal(recv(u.fd, got, n, MSG_WAITALL), n);
	assert_memory_equal(got, wire, n);
	end();

	connect_captured();
	c.ssl = SSL_new(rig.client_ctx); /* names no server */
	TEST_CA_MUST(c.ssl && SSL_set_fd(c.ssl, c.fd));
	(void)fcntl(c.fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(SSL_connect(c.ssl), -1);
	ERR_clear_error();
	accept_raw();
	assert_int_equal(recv(u.fd, got, 1, MSG_WAITALL), 1);
	assert_int_equal(got[0], 22);
	SSL_free(c.ssl);
	end();
	assert_int_equal(rig.minted, 0);
	assert_int_equal(rig.notes, 0);
}

static void governed_name_at_an_address_nobody_knew(void **state)
{
	(void)state;
	connect_captured();
	assert_int_equal(rig_handshake(&c, rig.client_ctx, RIG_HOST), 1);
	assert_int_equal(rig.minted, 1);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, "sk-real");
	rig_answer(&u, &c);
	rig_close(&c);
	rig_close(&u);
	(void)rig_record(&rig);
}

/* It waits until the worker gives up waiting for it, and only then shows the name. */
static void late_hello_is_governed_all_the_same(void **state)
{
	(void)state;
	connect_captured();
	accept_raw();
	assert_int_equal(rig_handshake(&c, rig.client_ctx, RIG_HOST), 1);
	hears_end(u.fd); /* not a byte went there */
	cleanup_close(&u.fd);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, "sk-real");
	rig_answer(&u, &c);
	rig_close(&c);
	rig_close(&u);
	(void)rig_record(&rig);
}

static void late_hello_byte_by_byte(void **state)
{
	char wire[HELLO_MAX];
	size_t n = hello_of(RIG_HOST, wire);
	unsigned char record[5];

	(void)state;
	connect_captured();
	accept_raw();
	for (size_t i = 0; i < n; i++)
		assert_int_equal(write(c.fd, wire + i, 1), 1);
	assert_int_equal(recv(c.fd, record, sizeof(record), MSG_WAITALL), 5);
	assert_int_equal(record[0], 22); /* egret's ServerHello */
	hears_end(u.fd);
	end();
}

static void late_hello_of_another_name_passes(void **state)
{
	char wire[HELLO_MAX], got[HELLO_MAX];
	size_t n = hello_of("example.org", wire);

	(void)state;
	connect_captured();
	accept_raw();
	assert_int_equal(write(c.fd, wire, 3), 3);
	assert_int_equal(write(c.fd, wire + 3, n - 3), n - 3);
	assert_int_equal(recv(u.fd, got, n, MSG_WAITALL), n);
	assert_memory_equal(got, wire, n);
	say(u.fd, "y");
	hears(c.fd, "y");
	say(c.fd, "z");
	hears(u.fd, "z");
	end();
}

/* After the server has spoken it is no TLS of that server any more, whatever it looks like. */
static void what_follows_a_banner_passes(void **state)
{
	char wire[HELLO_MAX], got[HELLO_MAX];
	size_t n = hello_of(RIG_HOST, wire);

	(void)state;
	connect_captured();
	accept_raw();
	assert_int_equal(write(c.fd, wire, 3), 3); /* held, as a hello may begin so */
	say(u.fd, "220 ready\r\n");
	hears(c.fd, "220 ready\r\n");
	assert_int_equal(write(c.fd, wire + 3, n - 3), n - 3);
	assert_int_equal(recv(u.fd, got, n, MSG_WAITALL), n);
	say(c.fd, "q");
	hears(u.fd, "q");
	assert_int_equal(rig.minted, 0);
	end();
}

static void noted(enum eg_reason reason)
{
	rig_wait_note(&rig, reason);
	assert_int_equal(rig.notes, 1);
	rig.notes = rig.noted[reason] = 0;
}

/* Some servers skip what comes first, and read the hello behind it. */
static void hello_behind_records_of_any_kind(void **state)
{
	static const size_t runs[] = { 1, 3, 7, 4096 };
	char wire[16 + HELLO_MAX] = "\0\3\3\0\1x", got[sizeof(wire)];
	const size_t junk = 6;
	size_t n = hello_of("api.openai.com", wire + junk) + junk;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		ssize_t all = 0, came;

		connect_captured();
		for (size_t at = 0; at < n; at += runs[i])
			if (send(c.fd, wire + at, n - at < runs[i] ? n - at : runs[i],
				 MSG_NOSIGNAL) < 0)
				break;
		accept_raw();
		while ((came = recv(u.fd, got + all, sizeof(got) - (size_t)all, 0)) > 0)
			all += came;
		assert_true(all <= (ssize_t)junk + 10);
		end();
	}
	assert_true(rig.noted[EG_REASON_hello_malformed] > 0);
	assert_int_equal(rig.minted, 0);
}

static void hello_beside_a_record_is_data(void **state)
{
	char wire[16 + HELLO_MAX] = "\0\3\3\0\1xy", got[sizeof(wire)];
	size_t n = hello_of("api.openai.com", wire + 7) + 7;

	(void)state;
	connect_captured();
	assert_int_equal(write(c.fd, wire, n), n);
	accept_raw();
	assert_int_equal(recv(u.fd, got, n, MSG_WAITALL), n);
	assert_memory_equal(got, wire, n);
	end();
	/* And behind the server's answer. */
	connect_captured();
	say(c.fd, "GET / HTTP/1.1\r\n\r\n");
	accept_raw();
	hears(u.fd, "GET / HTTP/1.1\r\n\r\n");
	say(u.fd, "ok");
	hears(c.fd, "ok");
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(write(c.fd, wire + 7, n - 7), n - 7);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(recv(u.fd, got, n - 7, MSG_WAITALL), n - 7);
	end();
	assert_int_equal(rig.notes, 0);
}

static void half_a_hello_is_not_passed_on(void **state)
{
	char byte;

	(void)state;
	each_again("\"hello_ms\":50");
	connect_captured();
	assert_int_equal(write(c.fd, "\x16\x03\x01\x02\x00\x01", 6), 6);
	hears_end(c.fd);
	noted(EG_REASON_hello_timeout);
	assert_false(rig_has_provider_conn(&rig));
	end();
	each_again("\"hello_ms\":50"); /* and late; the event may come again */
	connect_captured();
	accept_raw();
	assert_int_equal(write(c.fd, "\x16\x03\x01\x02\x00\x01", 6), 6);
	hears_end(c.fd);
	noted(EG_REASON_hello_timeout);
	assert_true(recv(u.fd, &byte, 1, 0) <= 0);
	end();
}

static void malformed_hello_is_refused(void **state)
{
	unsigned char record[7];

	(void)state;
	connect_captured();
	assert_int_equal(write(c.fd, "\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00", 13),
			 13);
	assert_int_equal(recv(c.fd, record, sizeof(record), MSG_WAITALL), 7);
	assert_int_equal(record[6], 50);
	noted(EG_REASON_hello_malformed);
	end();
}

static void an_end_without_a_word_is_passed_on(void **state)
{
	(void)state;
	connect_captured();
	(void)shutdown(c.fd, SHUT_WR);
	accept_raw();
	hears_end(u.fd);
	say(u.fd, "time: now\n");
	hears(c.fd, "time: now\n");
	cleanup_close(&u.fd);
	hears_end(c.fd);
	end();
}

static void a_server_that_ends_without_a_word(void **state)
{
	(void)state;
	connect_captured();
	accept_raw();
	cleanup_close(&u.fd);
	hears_end(c.fd);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_that_speaks_first),
		cmocka_unit_test(server_that_speaks_first),
		cmocka_unit_test(tls_to_other_names_and_to_none),
		cmocka_unit_test(governed_name_at_an_address_nobody_knew),
		cmocka_unit_test(late_hello_is_governed_all_the_same),
		cmocka_unit_test(late_hello_byte_by_byte),
		cmocka_unit_test(late_hello_of_another_name_passes),
		cmocka_unit_test(what_follows_a_banner_passes),
		cmocka_unit_test(hello_behind_records_of_any_kind),
		cmocka_unit_test(hello_beside_a_record_is_data),
		cmocka_unit_test(half_a_hello_is_not_passed_on),
		cmocka_unit_test(malformed_hello_is_refused),
		cmocka_unit_test(an_end_without_a_word_is_passed_on),
		cmocka_unit_test(a_server_that_ends_without_a_word),
	};

	return EACH_RUN(tests);
}
