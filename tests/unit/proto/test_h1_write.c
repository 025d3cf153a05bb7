/* SPDX-License-Identifier: Apache-2.0 */
/* Heads are written with our framing alone, and nothing in a field can end its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/h1_write.h"

#define F(name, value, id)                                                                         \
	{                                                                                          \
		{ name, sizeof(name) - 1 }, { value, sizeof(value) - 1 }, HTTP_##id                \
	}

static const struct http_request get = { .method = { "GET", 3 }, .target = { "/v1", 3 } };

static void writes_a_request(void **state)
{
	struct http_field fields[] = { F("Host", "other", host),
				       F("Connection", "close, x-hop", connection),
				       F("X-Hop", "1", other),
				       F("Connection", "X-Also", connection),
				       F("x-also", "1", other),
				       F("Keep-Alive", "5", keep_alive),
				       F("Proxy-Authorization", "s", proxy_authorization),
				       F("TE", "trailers", te),
				       F("Trailer", "x", trailer),
				       F("Transfer-Encoding", "chunked", transfer_encoding),
				       F("Content-Length", "7", content_length),
				       F("Upgrade", "h2c", upgrade),
				       F("Expect", "100-continue", expect),
				       F("X-Keep", "a b", other) };
	const struct http_field more[] = { F("authorization", "Bearer k", authorization) };
	struct http_request r = get;
	struct h1_request_opts o = { .more = more,
				     .n_more = 1,
				     .host = SLICE("api.example"),
				     .body = HTTP_BODY_LENGTH,
				     .content_length = 18446744073709551615u };
	static const char want[] = "GET /v1 HTTP/1.1\r\nhost: api.example\r\nX-Keep: a b\r\n"
				   "authorization: Bearer k\r\n"
				   "content-length: 18446744073709551615\r\n\r\n";
	char to[512];
	ssize_t n;

	(void)state;
	r.fields = fields;
	r.n_fields = sizeof(fields) / sizeof(fields[0]);
	n = h1_write_request(to, sizeof(to), &r, &o);
	assert_int_equal(n, sizeof(want) - 1);
	assert_memory_equal(to, want, sizeof(want) - 1);
	/* Exactly enough room is enough, and one byte less is not. */
	assert_int_equal(h1_write_request(to, sizeof(want) - 1, &r, &o), n);
	for (size_t size = 0; size < sizeof(want) - 1; size++)
		assert_int_equal(h1_write_request(to, size, &r, &o), -EMSGSIZE);
}

static void refuses_injection(void **state)
{
	static const struct slice bad[] = {
		{ "a\rb", 3 }, { "a\nb", 3 }, { "a\0b", 3 }, { "\r\nx: y", 6 }, { "a\n", 2 }
	};
	char to[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct http_field f = F("x", "y", other);
		struct http_request r = get;
		struct h1_request_opts o = { .host = SLICE("h") };
		struct http_response s = { .status = 200, .reason = bad[i] };
		struct h1_response_opts p = { .body = HTTP_BODY_NONE };

		r.target = bad[i];
		assert_int_equal(h1_write_request(to, sizeof(to), &r, &o), -EINVAL);
		r = get;
		o.host = bad[i];
		assert_int_equal(h1_write_request(to, sizeof(to), &r, &o), -EINVAL);
		o.host = SLICE("h");
		f.value = bad[i];
		o.more = &f;
		o.n_more = 1;
		assert_int_equal(h1_write_request(to, sizeof(to), &r, &o), -EINVAL);
		f.value = SLICE("y");
		f.name = bad[i];
		assert_int_equal(h1_write_request(to, sizeof(to), &r, &o), -EINVAL);
		assert_int_equal(h1_write_response(to, sizeof(to), &s, &p), -EINVAL);
		assert_int_equal(h1_chunk_end(to, sizeof(to), &f, 1), -EINVAL);
	}
}

static void frames_responses(void **state)
{
	static const struct {
		unsigned status;
		enum http_body had, body;
		bool is_head, close;
		const char *want;
	} cases[] = {
		{ 200, HTTP_BODY_LENGTH, HTTP_BODY_LENGTH, false, false,
		  "content-length: 5\r\n\r\n" },
		{ 200, HTTP_BODY_CHUNKED, HTTP_BODY_CHUNKED, false, true,
		  "transfer-encoding: chunked\r\nconnection: close\r\n\r\n" },
		{ 200, HTTP_BODY_CLOSE, HTTP_BODY_CLOSE, false, true, "connection: close\r\n\r\n" },
		{ 200, HTTP_BODY_NONE, HTTP_BODY_NONE, false, false, "content-length: 0\r\n\r\n" },
		{ 200, HTTP_BODY_LENGTH, HTTP_BODY_NONE, true, false, "content-length: 5\r\n\r\n" },
		{ 200, HTTP_BODY_CHUNKED, HTTP_BODY_NONE, true, false, "\r\n" },
		{ 304, HTTP_BODY_LENGTH, HTTP_BODY_NONE, false, false,
		  "content-length: 5\r\n\r\n" },
		{ 304, HTTP_BODY_NONE, HTTP_BODY_NONE, false, false, "\r\n" },
		{ 204, HTTP_BODY_NONE, HTTP_BODY_NONE, false, false, "\r\n" },
		{ 100, HTTP_BODY_NONE, HTTP_BODY_NONE, false, false, "\r\n" },
	};
	char to[256], want[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_response r = { .status = cases[i].status,
					   .reason = SLICE("R"),
					   .body = cases[i].had,
					   .content_length = 5 };
		struct h1_response_opts o = { .body = cases[i].body,
					      .is_head = cases[i].is_head,
					      .close = cases[i].close };
		ssize_t n = h1_write_response(to, sizeof(to) - 1, &r, &o);

		assert_true(n > 0);
		to[n] = '\0';
		(void)snprintf(want, sizeof(want), "HTTP/1.1 %u R\r\n%s", cases[i].status,
			       cases[i].want);
		assert_string_equal(to, want);
	}
}

static void writes_chunks(void **state)
{
	const struct http_field trailers[] = { F("x-sum", "1", other), F("Host", "x", host),
					       F("Content-Length", "3", content_length),
					       F("set-cookie", "a", set_cookie) };
	char head[H1_CHUNK_HEAD_MAX], end[64];
	ssize_t n;

	(void)state;
	assert_int_equal(h1_chunk_head(head, 1), 3);
	assert_memory_equal(head, "1\r\n", 3);
	assert_int_equal(h1_chunk_head(head, 0xabc10), 7);
	assert_memory_equal(head, "abc10\r\n", 7);
	assert_int_equal(h1_chunk_head(head, SIZE_MAX), 18);
	n = h1_chunk_end(end, sizeof(end), trailers, 4);
	assert_int_equal(n, strlen("0\r\nx-sum: 1\r\n\r\n"));
	assert_memory_equal(end, "0\r\nx-sum: 1\r\n\r\n", (size_t)n);
	assert_int_equal(h1_chunk_end(end, 4, NULL, 0), -EMSGSIZE);
	assert_int_equal(h1_chunk_end(end, 5, NULL, 0), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_a_request),
		cmocka_unit_test(refuses_injection),
		cmocka_unit_test(frames_responses),
		cmocka_unit_test(writes_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
