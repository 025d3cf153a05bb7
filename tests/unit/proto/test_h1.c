/* SPDX-License-Identifier: Apache-2.0 */
/* What smuggles is refused, what is sound is read, and no cut of the input changes either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/h1.h"

#define OUT_MAX 8192

/* What a run told, as text, so that two runs can be compared. */
struct told {
	char text[OUT_MAX];
	size_t n;
	enum h1_event last;
	bool at_eof; /* last is what h1_eof() said */
};

static void say(struct told *t, const char *what, struct slice s)
{
	int n = snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s" SLICE_FMT, what,
			 SLICE_ARG(s));

	assert_true(n >= 0 && (size_t)n < sizeof(t->text) - t->n);
	t->n += (size_t)n;
}

static void say_head(struct told *t, const struct h1 *h, bool is_request)
{
	const struct http_request *q = h1_request(h);
	const struct http_response *r = h1_response(h);
	const struct http_field *f = is_request ? q->fields : r->fields;
	size_t n = is_request ? q->n_fields : r->n_fields;
	char line[128];

	if (is_request) {
		say(t, "M=", q->method);
		say(t, " T=", q->target);
		say(t, " H=", q->host);
		(void)snprintf(line, sizeof(line), " b%d l%llu k%d e%d u%d v%d", (int)q->body,
			       (unsigned long long)q->content_length, q->keep_alive,
			       q->expect_continue, q->upgrade, h1_is_http10(h));
	} else {
		say(t, "R=", r->reason);
		(void)snprintf(line, sizeof(line), " %u b%d l%llu k%d", r->status, (int)r->body,
			       (unsigned long long)r->content_length, r->keep_alive);
	}
	say(t, line, SLICE("\n"));
	for (size_t i = 0; i < n; i++) {
		say(t, "", f[i].name);
		say(t, "=", f[i].value);
		say(t, "\n", SLICE(""));
	}
	say(t, "BODY:", SLICE(""));
}

static void say_end(struct told *t, const struct h1 *h)
{
	const struct http_field *f;
	size_t n = h1_trailers(h, &f);

	for (size_t i = 0; i < n; i++) {
		say(t, "\ntrailer ", f[i].name);
		say(t, "=", f[i].value);
	}
	say(t, "\nEND\n", SLICE(""));
}

/* Feeds one piece; false when the parser failed. */
static bool feed(struct told *t, struct h1 *h, bool is_request, struct slice in)
{
	do {
		struct slice body = { 0 };
		size_t n = 0;

		t->last = h1_parse(h, in, &n, &body);
		assert_true(n <= in.n);
		in = slice_of(in.p + n, in.n - n);
		if (t->last == H1_HEAD)
			say_head(t, h, is_request);
		else if (t->last == H1_BODY)
			say(t, "", body);
		else if (t->last == H1_ERROR || t->last == H1_TOO_LARGE)
			return false;
		if (t->last == H1_DONE) {
			say_end(t, h);
			h1_next(h);
		}
	} while (in.n || t->last != H1_NEED_MORE);
	return true;
}

/* step 0: all at once; else pieces of 1..step bytes from a fixed sequence. */
static void run(struct told *t, bool is_request, bool is_head, struct slice in, unsigned step,
		const struct h1_limits *limits)
{
	struct pool pool;
	struct h1 *h;
	unsigned seed = step * 2654435761u + 1;

	pool_init(&pool, 4u << 20);
	h = is_request ? h1_new_request(limits, &pool) : h1_new_response(limits, &pool);
	assert_non_null(h);
	h1_expect(h, is_head);
	memset(t, 0, sizeof(*t));
	while (in.n) {
		size_t n = in.n;
		char *copy;
		bool ok;

		seed = seed * 1103515245u + 12345u;
		if (step && n > 1 + (seed >> 16) % step)
			n = 1 + (seed >> 16) % step;
		/* A copy of its own, so that a slice kept into the input would be found. */
		copy = malloc(n);
		assert_non_null(copy);
		memcpy(copy, in.p, n);
		ok = feed(t, h, is_request, slice_of(copy, n));
		memset(copy, 'X', n);
		free(copy);
		if (!ok)
			break;
		in = slice_of(in.p + n, in.n - n);
	}
	if (t->last != H1_ERROR && t->last != H1_TOO_LARGE) {
		t->last = h1_eof(h);
		t->at_eof = true;
		if (t->last == H1_DONE)
			say_end(t, h);
	}
	(void)h1_free(h);
	pool_clear(&pool, false);
}

/* Runs it in many cuts; all must tell the same. Returns the last event. */
static enum h1_event run_all(struct told *t, bool is_request, bool is_head, struct slice in)
{
	static const unsigned steps[] = { 1, 2, 3, 7, 16, 50 };
	struct told other;

	run(t, is_request, is_head, in, 0, NULL);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		run(&other, is_request, is_head, in, steps[i], NULL);
		assert_string_equal(t->text, other.text);
		assert_int_equal(t->last, other.last);
	}
	return t->last;
}

#define H "Host: api.openai.com\r\n"

static void refuses_what_smuggles(void **state)
{
	static const struct slice bad[] = {
#define B(s) { s, sizeof(s) - 1 }
		B("POST / HTTP/1.1\r\n" H
		  "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: 3 3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551619\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content-Length : 3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Content_Length: 3\r\n\r\nabc"),
		B("POST / HTTP/1.1\r\n" H "Transfer_Encoding: chunked\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n x\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
		  "chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer\0-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n3;a=\x01\r\nabc\r\n0\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\r\n c\r\n\r\n"),
		B("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\na b: c\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "X: a\nY: b\r\n\r\n"),
		B("GET / HTTP/1.1\n" H "\r\n"),
		B("GET / HTTP/1.1\r\n" H "\n"),
		B("GET / HTTP/1.1\r\n" H "X : a\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H ": a\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "X\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n"),
		B("GET / HTTP/1.1\r\n X: a\r\n" H "\r\n"),
		B("\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"),
		B("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
		B("\nGET / HTTP/1.1\r\n" H "\r\n"),
		B("GET / HTTP/1.1\r\n\r\n"),
		B("GET / HTTP/1.0\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H H "\r\n"),
		B("GET / HTTP/1.1\r\n" H "host: evil.example\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a:4x3\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a:443:443\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\xc3\xa9\r\n\r\n"),
		B("GET http://api.openai.com/ HTTP/1.1\r\n" H "\r\n"),
		B("GET //x#y HTTP/1.1\r\n" H "\r\n"),
		B("GET /\\x HTTP/1.1\r\n" H "\r\n"),
		B("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
		B("GET /\x01 HTTP/1.1\r\n" H "\r\n"),
		B("GET /a b HTTP/1.1\r\n" H "\r\n"),
		B("GET  / HTTP/1.1\r\n" H "\r\n"),
		B("GET /  HTTP/1.1\r\n" H "\r\n"),
		B("GET * HTTP/1.1\r\n" H "\r\n"),
		B("GET ?a HTTP/1.1\r\n" H "\r\n"),
		B("CONNECT api.openai.com:443 HTTP/1.1\r\n" H "\r\n"),
		B("GET /\r\n" H "\r\n"),
		B("GET / HTTP/0.9\r\n" H "\r\n"),
		B("GET / HTTP/1.2\r\n" H "\r\n"),
		B("GET / HTTP/2.0\r\n" H "\r\n"),
		B("GET / HTTP/1.1 \r\n" H "\r\n"),
		B("GET / http/1.1\r\n" H "\r\n"),
		B("GET / RTSP/1.0\r\n" H "\r\n"),
		B("SOURCE / ICE/1.0\r\n" H "\r\n"),
		B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		B("get / HTTP/1.1\r\n" H "\r\n"),
		B("GETT / HTTP/1.1\r\n" H "\r\n"),
		B("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
		B("GET / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "Content-Type: a\r\nContent-Type: a\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "Content-Encoding: br\r\nContent-Encoding: br\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "Connection: close, Authorization\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H
		  "Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\r\n\r\n"),
		B("GET / HTTP/1.1\r\n" H "x_api_key: a\r\n\r\n"),
#undef B
	};
	struct told t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (run_all(&t, true, false, bad[i]) != H1_ERROR || t.at_eof)
			fail_msg("accepted: %s\ntold: %s", bad[i].p, t.text);
}

static void reads_what_is_sound(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{ "POST /v1/x?a=b HTTP/1.1\r\nHost: A.example:443\r\nContent-Length: "
		  "003\r\n\r\nabc",
		  "M=POST T=/v1/x?a=b H=A.example b1 l3 k1 e0 u0 v0\nHost=A.example:443\n"
		  "Content-Length=003\nBODY:abc\nEND\n" },
		{ "\r\nGET / HTTP/1.0\r\nHost:a:80  \r\nConnection: x, Keep-Alive\r\n\r\n",
		  "M=GET T=/ H=a:80 b0 l0 k1 e0 u0 v1\nHost=a:80\nConnection=x, "
		  "Keep-Alive\nBODY:\nEND\n" },
		{ "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n\r\n",
		  "M=OPTIONS T=* H=a b0 l0 k0 e0 u1 v0\nHost=a\nConnection=close, "
		  "upgrade\nBODY:\nEND\n" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		  "M=GET T=/ H=a b0 l0 k1 e0 u1 v0\nHost=a\nUpgrade=websocket\nConnection=Upgrade\n"
		  "BODY:\nEND\n" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nExpect: "
		  "100-continue\r\n\r\n"
		  "3;x=\"y\"\r\nabc\r\n2\r\n d\r\n0\r\nT: v\r\n\r\n"
		  "GET /2 HTTP/1.1\r\nHost: b\r\n\r\n",
		  "M=POST T=/ H=a b2 l0 k1 e1 u0 v0\nHost=a\nTransfer-Encoding=Chunked\n"
		  "Expect=100-continue\nBODY:abc d\ntrailer T=v\nEND\n"
		  "M=GET T=/2 H=b b0 l0 k1 e0 u0 v0\nHost=b\nBODY:\nEND\n" },
		/* A body that begins with a space is no folded line. */
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n x",
		  "M=POST T=/ H=a b1 l2 k1 e0 u0 v0\nHost=a\nContent-Length=2\nBODY: x\nEND\n" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: "
		  "1\r\nX:\xc3\xa9\t\r\nEmpty:\r\n\r\nz",
		  "M=GET T=/ H=a b1 l1 k1 e0 u0 v0\nHost=a\nContent-Length=1\nX=\xc3\xa9\nEmpty=\n"
		  "BODY:z\nEND\n" },
	};
	struct told t;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		enum h1_event e = run_all(&t, true, false, slice_str(good[i].in));

		assert_string_equal(t.text, good[i].out);
		assert_int_equal(e, H1_NEED_MORE);
	}
}

static void reads_responses(void **state)
{
	static const struct {
		const char *in, *out;
		bool is_head;
		enum h1_event last;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		  "R=OK 200 b1 l2 k1\nContent-Length=2\nBODY:hi\nEND\n", false, H1_NEED_MORE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
		  "R=OK 200 b1 l2 k1\nContent-Length=2\nBODY:\nEND\n", true, H1_NEED_MORE },
		{ "HTTP/1.1 200 \r\n\r\ntill the end", "R= 200 b3 l0 k1\nBODY:till the end\nEND\n",
		  false, H1_DONE },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		  "R=Continue 100 b0 l0 k1\nBODY:\nEND\nR=No 204 b0 l0 k1\nBODY:\nEND\n", false,
		  H1_NEED_MORE },
		{ "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n",
		  "R=N 304 b1 l9 k1\nContent-Length=9\nBODY:\nEND\n", false, H1_NEED_MORE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		  "R=OK 200 b2 l0 k1\nTransfer-Encoding=chunked\nBODY:a\nEND\n", false,
		  H1_NEED_MORE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
		  "R=OK 200 b1 l3 k1\nContent-Length=3\nBODY:hi", false, H1_ERROR },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
		  "R=OK 200 b2 l0 k1\nTransfer-Encoding=chunked\nBODY:a", false, H1_ERROR },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "", false,
		  H1_ERROR },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "",
		  false, H1_ERROR },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "", false,
		  H1_ERROR },
		{ "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.1 200 OK\nA: b\n\n", "", false, H1_ERROR },
		{ "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "", false,
		  H1_ERROR },
		{ "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.1 100 C\r\nTransfer-Encoding: chunked\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.1 20 OK\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.1 2000 OK\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.1 099 OK\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/2 200\r\n\r\n", "", false, H1_ERROR },
		{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", false, H1_ERROR },
		{ "\r\nHTTP/1.1 200 OK\r\n\r\n", "", false, H1_ERROR },
	};
	struct told t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum h1_event e = run_all(&t, false, cases[i].is_head, slice_str(cases[i].in));

		assert_string_equal(t.text, cases[i].out);
		assert_int_equal(e, cases[i].last);
	}
}

static void bounds_the_head(void **state)
{
	static const struct h1_limits limits = { .head_max = 200,
						 .fields_max = 3,
						 .target_max = 20 };
	static const char *const cases[] = {
		"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nb: c\r\nd: e\r\nf: g\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nb: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa"
		"\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
		"a: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
	};
	struct told t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned step = 0; step < 4; step++) {
			run(&t, true, false, slice_str(cases[i]), step, &limits);
			assert_int_equal(t.last, H1_TOO_LARGE);
		}
	run(&t, true, false,
	    SLICE("GET /aaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\nb: c\r\nd: e\r\n\r\n"), 1,
	    &limits);
	assert_int_equal(t.last, H1_NEED_MORE);
}

static void bounds_chunk_extensions(void **state)
{
	char in[2048];
	struct told t;

	(void)state;
	for (int n = 1000; n <= 1100; n += 100) {
		(void)snprintf(in, sizeof(in),
			       "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
			       "1;a=%0*d\r\nx\r\n0\r\n\r\n",
			       n, 0);
		assert_int_equal(run_all(&t, true, false, slice_str(in)),
				 n == 1000 ? H1_NEED_MORE : H1_ERROR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_smuggles),   cmocka_unit_test(reads_what_is_sound),
		cmocka_unit_test(reads_responses),	   cmocka_unit_test(bounds_the_head),
		cmocka_unit_test(bounds_chunk_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
