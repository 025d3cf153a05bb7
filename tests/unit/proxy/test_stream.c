/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way: streams, framing, back-pressure, what HTTP/1.1 asks of both sides. */
#include <malloc.h>

#include "tests/unit/proxy/each.h"

#define EVENT "data: {\"x\":1}\n\n"

/* A streaming call, the provider having got it. */
static void ask(const char *more)
{
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, more, RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
}

static void events_arrive_one_by_one(void **state)
{
	struct eg_record rec;

	(void)state;
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntrailer: x-tail\r\n"
		     "transfer-encoding: chunked\r\n\r\n");
	rig_until(&c, "transfer-encoding: chunked\r\n\r\n");
	for (int i = 0; i < 5; i++) {
		rig_forget(&c);
		rig_send(&u, "f\r\n" EVENT "\r\n");
		rig_until(&c, "f\r\n" EVENT "\r\n");
	}
	assert_false(rig_has_record(&rig));
	rig_forget(&c);
	rig_send(&u, "0\r\nx-tail: yes\r\nset-cookie: a=b\r\n\r\n");
	rig_until(&c, "0\r\nx-tail: yes\r\n\r\n");
	rec = rig_record(&rig);
	assert_int_equal(rec.end, EG_REASON_allowed);
	assert_int_equal(rec.bytes_out, 5 * 15);
	rig_close(&c);
	rig_close(&u);
}

static void body_to_the_end_of_the_connection(void **state)
{
	(void)state;
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\n\r\nabc");
	rig_until(&c, "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
	rig_close(&u);
	rig_until(&c, "0\r\n\r\n");
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	rig_close(&c);
}

static void cut_in_such_a_body_is_seen(void **state)
{
	(void)state;
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\n\r\nabc");
	rig_until(&c, "3\r\nabc\r\n");
	/* without close_notify it may be anybody's end */
	SSL_free(u.ssl);
	close(u.fd);
	assert_int_equal(rig_ended(&c), 0);
	assert_int_equal(rig_record(&rig).end, EG_REASON_upstream_cut);
	rig_close(&c);
}

static void cut_in_a_stream_is_seen(void **state)
{
	struct eg_record rec;

	(void)state;
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nf\r\n" EVENT "\r\n");
	rig_until(&c, EVENT);
	rig_reset(&u);
	assert_int_equal(rig_ended(&c), 0);
	rec = rig_record(&rig);
	assert_int_equal(rec.decision, EG_REASON_allowed);
	assert_int_equal(rec.end, EG_REASON_upstream_cut);
	assert_int_equal(rec.status, 200);
	rig_close(&c);
}

static void garbage_in_a_stream_is_a_cut(void **state)
{
	(void)state;
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nf\r\n" EVENT "\r\n");
	rig_until(&c, EVENT);
	rig_send(&u, "zz\r\n");
	assert_int_equal(rig_ended(&c), 0);
	assert_int_equal(rig_record(&rig).end, EG_REASON_upstream_bad_response);
	rig_close(&c);
	rig_close(&u);
}

static void http10_client_gets_a_plain_body(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.0\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 52\r\n\r\n" RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	assert_non_null(strstr(u.text, " HTTP/1.1\r\n"));
	rig_send(&u, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
		     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	rig_until(&c, "\r\n\r\nabc");
	assert_null(strstr(c.text, "chunked"));
	assert_null(strstr(c.text, "103"));
	assert_non_null(strstr(c.text, "connection: close\r\n"));
	assert_int_equal(rig_ended(&c), 1);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void interim_answers_pass_but_no_switch(void **state)
{
	(void)state;
	ask("");
	rig_send(&u, "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
	rig_until(&c, "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
	rig_answer(&u, &c);
	assert_int_equal(rig_record(&rig).status, 200);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_forget(&u);
	rig_until(&u, RIG_BODY);
	rig_send(&u,
		 "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
	rig_until(&c, "HTTP/1.1 502 ");
	assert_int_equal(rig_record(&rig).end, EG_REASON_upstream_bad_response);
	rig_close(&c);
	rig_close(&u);
}

static void expectation_is_met_once_it_may_be(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 52\r\nexpect: 100-continue\r\n\r\n");
	rig_until(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_skip(&c, "\r\n\r\n");
	rig_send(&c, RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	assert_null(strstr(u.text, "expect"));
	rig_answer(&u, &c);
	assert_int_equal(strncmp(c.text, "HTTP/1.1 200", 12), 0);
	(void)rig_record(&rig);

	/* refused from the head: no 100, and the connection ends */
	rig_forget(&c);
	rig_send(&c, "POST /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 52\r\nexpect: 100-continue\r\n\r\n");
	rig_until(&c, "HTTP/1.1 403");
	rig_until(&c, "connection: close");
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void chunked_request_is_sent_whole(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ntransfer-encoding: chunked\r\n\r\n");
	rig_send(&c, "16\r\n{\"model\":\"gpt-4o-mini\"\r\n");
	rig_send(&c, "b;x=y\r\n,\"n\": 1    \r\n1\r\n}\r\n0\r\nx-late: 1\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&u, "\"n\": 1    }");
	assert_null(strstr(u.text, "chunked"));
	assert_null(strstr(u.text, "x-late"));
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void upload_streams_after_the_decision(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-type: application/octet-stream\r\nexpect: 100-continue\r\n"
		     "transfer-encoding: chunked\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&c, "100 Continue\r\n\r\n");
	rig_skip(&c, "\r\n\r\n");
	rig_send(&c, "3\r\nabc\r\n");
	rig_until(&u, "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
	rig_send(&c, "4\r\ndefg\r\n");
	rig_until(&u, "4\r\ndefg\r\n");
	rig_send(&c, "0\r\nx-late: 1\r\nx-api-key: sk-proj-stolen0123456789\r\n"
		     "x_original-url: /a\r\nx-original_url: /\r\n\r\n");
	rig_until(&u, "0\r\nx-late: 1\r\n\r\n");
	rig_send(&u, "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\n"
		     "transfer-encoding: chunked\r\n\r\n0\r\nx-sum: 2\r\n"
		     "egret-request-id: forged\r\n\r\n");
	rig_until(&c, "0\r\nx-sum: 2\r\n\r\n");
	rec = rig_record(&rig);
	assert_true(rec.flags & EG_RECORD_DIRECT_KEY);
	assert_string_equal(rec.operation, "files-upload");
	assert_int_equal(rec.bytes_in, 7);
	rig_close(&c);
	rig_close(&u);
}

/* Many servers answer 411 to a POST that says no length. */
static void empty_body_is_said_to_be_empty(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-length: 0\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&u, "content-length: 0\r\n\r\n");
	rig_answer(&u, &c);
	rig_forget(&c);
	rig_forget(&u);
	rig_send(&c, "GET /v1/files HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_until(&u, "\r\n\r\n");
	assert_null(strstr(u.text, "content-length"));
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void early_answer_to_an_upload(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c,
		 "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-length: 100\r\n\r\nabc");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\nabc");
	rig_send(&u, "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno");
	rig_until(&c, "\r\n\r\nno");
	assert_int_equal(rig_record(&rig).status, 413);
	/* the rest is thrown away, and the connection serves on, with another one to the provider
	 */
	rig_send(&c, "0123456789012345678901234567890123456789012345678901234567890123456789"
		     "012345678901234567890123456");
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

static void upload_over_the_bound(void **state)
{
	static char piece[65536];

	(void)state;
	each_again("\"body_bytes\":100000");
	memset(piece, 'x', sizeof(piece));
	rig_open(&rig, &c);
	rig_send(&c, "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ntransfer-encoding: chunked\r\n\r\n20000\r\n");
	rig_send_n(&c, piece, sizeof(piece));
	rig_send_n(&c, piece, sizeof(piece));
	rig_accept(&rig, &u);
	rig_until(&c, "HTTP/1.1 413");
	assert_int_equal(rig_record(&rig).end, EG_REASON_body_too_large);
	rig_close(&c);
	rig_close(&u);
}

struct fill {
	struct rig_end *e;
	_Atomic size_t sent;
	_Atomic bool stop;
};

/* Sends for ever; counts. */
static void *fill(void *arg)
{
	static char piece[16384];
	struct fill *f = arg;
	size_t n;

	while (!f->stop && SSL_write_ex(f->e->ssl, piece, sizeof(piece), &n) == 1)
		f->sent += n;
	return NULL;
}

/* Waits until it moves no more. */
static size_t settled(struct fill *f)
{
	size_t last = 0, same = 0;

	while (same < 5) {
		struct timespec t = { .tv_nsec = 50 * 1000 * 1000 };

		(void)nanosleep(&t, NULL);
		same = f->sent == last ? same + 1 : 0;
		last = f->sent;
	}
	return last;
}

static void slow_reader_stops_the_provider(void **state)
{
	struct fill f = { .e = &u };
	pthread_t t;
	size_t sent, got = 0, before;
	char buf[65536];
	int small = 65536;

	(void)state;
	ask("");
	(void)setsockopt(u.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
	rig_until(&c, "\r\n\r\n");
	before = mallinfo2().uordblks;
	assert_int_equal(pthread_create(&t, NULL, fill, &f), 0);
	sent = settled(&f);
	/* It stands in socket buffers (which the kernel bounds) and at most buffer_bytes with us.
	 */
	assert_true(sent < 32u << 20);
	assert_true(mallinfo2().uordblks < before + 8 * 65536);
	/* Reading goes on where it stopped. */
	while (got < sent + (1u << 20)) {
		size_t n;

		assert_int_equal(SSL_read_ex(c.ssl, buf, sizeof(buf), &n), 1);
		got += n;
	}
	f.stop = true;
	(void)shutdown(c.fd, SHUT_RDWR);
	rig_close(&c);
	pthread_join(t, NULL);
	assert_int_equal(rig_record(&rig).end, EG_REASON_client_gone);
	rig_close(&u);
}

static void client_that_takes_nothing_is_given_up(void **state)
{
	struct fill f = { .e = &u };
	pthread_t t;

	(void)state;
	each_again("\"stall_ms\":300");
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
	rig_until(&c, "\r\n\r\n");
	assert_int_equal(pthread_create(&t, NULL, fill, &f), 0);
	assert_int_equal(rig_record(&rig).end, EG_REASON_client_gone);
	pthread_join(t, NULL); /* the provider's connection has gone with it */
	rig_close(&c);
	rig_close(&u);
}

/* The provider has begun to answer and waits for the rest: so do two connections, for nothing. */
static void upload_that_stops_behind_an_answer_is_given_up(void **state)
{
	(void)state;
	each_again("\"body_ms\":200");
	rig_open(&rig, &c);
	rig_send(&c, "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-length: 100\r\n\r\n"
		     "abc");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\nabc");
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
	rig_until(&c, "12345");
	assert_int_equal(rig_record(&rig).end, EG_REASON_body_timeout);
	rig_close(&c);
	rig_close(&u);
}

/* ... but a provider that reads no more of it may answer for as long as it likes. */
static void answer_to_an_upload_that_nobody_reads_has_no_limit(void **state)
{
	struct fill f = { .e = &c };
	pthread_t t;

	(void)state;
	each_again("\"body_ms\":200,\"body_bytes\":2000000000");
	rig_open(&rig, &c);
	rig_send(&c, "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 1000000000\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\n");
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
	rig_until(&c, "12345");
	assert_int_equal(pthread_create(&t, NULL, fill, &f), 0);
	(void)poll(NULL, 0, 800); /* nothing must happen */
	assert_false(rig_has_record(&rig));
	rig_send(&u, "67890");
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	f.stop = true;
	pthread_join(t, NULL); /* the rest is thrown away */
	rig_close(&c);
	rig_close(&u);
}

static void stream_that_waits_for_the_provider_has_no_limit(void **state)
{
	(void)state;
	each_again("\"stall_ms\":100");
	ask("");
	rig_send(&u, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
	rig_until(&c, "ok\r\n");
	(void)poll(NULL, 0, 400); /* nothing must happen */
	rig_send(&u, "3\r\nend\r\n0\r\n\r\n");
	rig_until(&c, "0\r\n\r\n");
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	rig_close(&c);
	rig_close(&u);
}

static void slow_provider_stops_an_upload(void **state)
{
	struct fill f = { .e = &c };
	pthread_t t;
	size_t sent, got = 0;
	char buf[65536];

	(void)state;
	each_again("\"body_bytes\":2000000000");
	rig_open(&rig, &c);
	rig_send(&c, "POST /v1/files HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 1000000000\r\n\r\n");
	rig_accept(&rig, &u);
	rig_until(&u, "\r\n\r\n");
	assert_int_equal(pthread_create(&t, NULL, fill, &f), 0);
	sent = settled(&f);
	assert_true(sent < 32u << 20);
	while (got < sent + (1u << 20)) {
		size_t n;

		assert_int_equal(SSL_read_ex(u.ssl, buf, sizeof(buf), &n), 1);
		got += n;
	}
	f.stop = true;
	rig_reset(&u);
	pthread_join(t, NULL);
	assert_int_equal(rig_record(&rig).end, EG_REASON_upstream_closed);
	rig_close(&c);
}

static void large_answer_is_the_same_to_the_byte(void **state)
{
	static char body[3000000], got[3000000];
	size_t n = 0;
	char head[128];

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + (i * 7 + i / 1000) % 26);
	ask("");
	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n",
		       sizeof(body));
	rig_send(&u, head);
	rig_until(&c, "\r\n\r\n");
	rig_skip(&c, "\r\n\r\n");
	for (size_t at = 0; at < sizeof(body); at += 100000) {
		size_t end = at + 100000;

		rig_send_n(&u, body + at, 100000);
		while (n < end) {
			size_t r;

			assert_int_equal(SSL_read_ex(c.ssl, got + n, sizeof(got) - n, &r), 1);
			n += r;
		}
	}
	assert_memory_equal(body, got, sizeof(body));
	assert_int_equal(rig_record(&rig).bytes_out, sizeof(body));
	rig_close(&c);
	rig_close(&u);
}

static void large_request_is_the_same_to_the_byte(void **state)
{
	static char body[2000000], got[2100000];
	size_t n = 0;
	char *at;

	(void)state;
	memset(body, 'z', sizeof(body));
	memcpy(body, "{\"model\":\"gpt-4o-mini\",\"max_tokens\":7,\"x\":\"", 43);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", body);
	rig_accept(&rig, &u);
	do {
		size_t r;

		assert_int_equal(SSL_read_ex(u.ssl, got + n, sizeof(got) - 1 - n, &r), 1);
		n += r;
		got[n] = '\0';
	} while (!strstr(got, "z\"}"));
	at = strstr(got, "\r\n\r\n");
	assert_non_null(at);
	assert_string_equal(at + 4, body);
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_arrive_one_by_one),
		cmocka_unit_test(body_to_the_end_of_the_connection),
		cmocka_unit_test(cut_in_such_a_body_is_seen),
		cmocka_unit_test(cut_in_a_stream_is_seen),
		cmocka_unit_test(garbage_in_a_stream_is_a_cut),
		cmocka_unit_test(http10_client_gets_a_plain_body),
		cmocka_unit_test(interim_answers_pass_but_no_switch),
		cmocka_unit_test(expectation_is_met_once_it_may_be),
		cmocka_unit_test(chunked_request_is_sent_whole),
		cmocka_unit_test(upload_streams_after_the_decision),
		cmocka_unit_test(empty_body_is_said_to_be_empty),
		cmocka_unit_test(early_answer_to_an_upload),
		cmocka_unit_test(upload_over_the_bound),
		cmocka_unit_test(slow_reader_stops_the_provider),
		cmocka_unit_test(client_that_takes_nothing_is_given_up),
		cmocka_unit_test(upload_that_stops_behind_an_answer_is_given_up),
		cmocka_unit_test(answer_to_an_upload_that_nobody_reads_has_no_limit),
		cmocka_unit_test(stream_that_waits_for_the_provider_has_no_limit),
		cmocka_unit_test(slow_provider_stops_an_upload),
		cmocka_unit_test(large_answer_is_the_same_to_the_byte),
		cmocka_unit_test(large_request_is_the_same_to_the_byte),
	};

	return EACH_RUN(tests);
}
