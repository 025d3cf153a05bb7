/* SPDX-License-Identifier: Apache-2.0 */
/* However bytes are cut or joined, the same comes out: no decision hangs on segments. */
#include "tests/unit/proxy/each.h"

#define REQUEST                                                                                    \
	"POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST "\r\ncontent-type: application/json\r\n"   \
	"content-length: 52\r\n\r\n" RIG_BODY
#define CHUNKED                                                                                    \
	"POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST "\r\ntransfer-encoding: chunked\r\n\r\n"   \
	"34\r\n" RIG_BODY "\r\n0\r\n\r\n"
#define ANSWER                                                                                     \
	"HTTP/1.1 200 OK\r\ntrailer: t\r\ntransfer-encoding: "                                     \
	"chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n"                                              \
	"t: 1\r\n\r\n"

static void send_in_two(struct rig_end *e, const char *text, size_t at)
{
	rig_send_n(e, text, at);
	rig_send_n(e, text + at, strlen(text) - at);
}

static void split_request(const char *text)
{
	rig_open(&rig, &c);
	for (size_t at = 1; at < strlen(text); at++) {
		rig_forget(&c);
		rig_forget(&u);
		send_in_two(&c, text, at);
		if (!u.ssl)
			rig_accept(&rig, &u);
		rig_until(&u, RIG_BODY);
		assert_non_null(strstr(u.text, "content-length: 52\r\n\r\n" RIG_BODY));
		rig_answer(&u, &c);
		assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	}
	rig_close(&c);
	rig_close(&u);
}

static void request_cut_anywhere(void **state)
{
	(void)state;
	u.ssl = NULL;
	split_request(REQUEST);
	split_request(CHUNKED);
}

static void request_byte_by_byte(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	for (const char *p = REQUEST; *p; p++)
		rig_send_n(&c, p, 1);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	(void)rig_record(&rig);
	rig_close(&c);
	rig_close(&u);
}

static void answer_cut_anywhere(void **state)
{
	(void)state;
	u.ssl = NULL;
	rig_open(&rig, &c);
	for (size_t at = 1; at < strlen(ANSWER); at++) {
		const char *body;

		rig_forget(&c);
		rig_forget(&u);
		rig_send(&c, REQUEST);
		if (!u.ssl)
			rig_accept(&rig, &u);
		rig_until(&u, RIG_BODY);
		send_in_two(&u, ANSWER, at);
		rig_until(&c, "0\r\nt: 1\r\n\r\n");
		body = strstr(c.text, "\r\n\r\n");
		assert_non_null(strchr(body, 'c'));
		assert_int_equal(rig_record(&rig).bytes_out, 5);
	}
	rig_close(&c);
	rig_close(&u);
}

static void bad_request_cut_anywhere_is_refused(void **state)
{
	static const char bad[] = "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
				  "\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";

	(void)state;
	for (size_t at = 1; at < sizeof(bad) - 1; at++) {
		rig_open(&rig, &c);
		send_in_two(&c, bad, at);
		rig_until(&c, "HTTP/1.1 400 ");
		assert_int_equal(rig_record(&rig).decision, EG_REASON_bad_request);
		rig_close(&c);
	}
	assert_false(rig_has_provider_conn(&rig));
}

/* Three requests at once, one of them refused: answered in order, one at a time. */
static void pipelined_requests_are_answered_in_order(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, REQUEST "GET /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n" CHUNKED);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	assert_null(strstr(strstr(u.text, RIG_BODY), "POST"));
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1");
	rig_forget(&u);
	rig_until(&u, RIG_BODY);
	rig_send(&u, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n3");
	rig_until(&c, "\r\n\r\n3");
	rig_skip(&c, "\r\n\r\n1");
	assert_int_equal(strncmp(c.text, "HTTP/1.1 403 ", 13), 0);
	rig_skip(&c, "\r\n\r\n");
	rig_skip(&c, "}HTTP/1.1 200 OK");
	assert_int_equal(rig_record(&rig).decision, EG_REASON_allowed);
	assert_int_equal(rig_record(&rig).decision, EG_REASON_unknown_operation);
	assert_int_equal(rig_record(&rig).decision, EG_REASON_allowed);
	rig_close(&c);
	rig_close(&u);
}

/* A hundred thousand bytes of pipelined requests: taken in as they are served, never all at once.
 */
static void long_pipeline(void **state)
{
	char one[] = "GET /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n";
	unsigned got = 0;

	(void)state;
	rig_open(&rig, &c);
	for (int i = 0; i < 50; i++)
		rig_send(&c, one);
	while (got < 50) {
		rig_until(&c, "unknown_operation\r\n");
		rig_skip(&c, "unknown_operation\r\n");
		got++;
	}
	for (int i = 0; i < 50; i++)
		(void)rig_record(&rig);
	rig_close(&c);
}

static void empty_lines_between_requests(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "GET /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_until(&c, "unknown_operation");
	(void)rig_record(&rig);
	rig_send(&c, "\r\n");
	rig_forget(&c);
	rig_send(&c, "GET /v1/nothing HTTP/1.1\r\nhost: " RIG_HOST "\r\n\r\n");
	rig_until(&c, "unknown_operation");
	(void)rig_record(&rig);
	rig_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_cut_anywhere),
		cmocka_unit_test(request_byte_by_byte),
		cmocka_unit_test(answer_cut_anywhere),
		cmocka_unit_test(bad_request_cut_anywhere_is_refused),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(long_pipeline),
		cmocka_unit_test(empty_lines_between_requests),
	};

	return EACH_RUN(tests);
}
