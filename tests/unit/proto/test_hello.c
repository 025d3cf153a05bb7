/* SPDX-License-Identifier: Apache-2.0 */
/* A real ClientHello is read however it is cut into records and reads; a bent one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "proto/hello.h"

struct wire {
	unsigned char p[HELLO_WIRE_MAX + 64];
	size_t n;
};

static char scratch[HELLO_WIRE_MAX];

static void put(struct wire *w, const void *p, size_t n)
{
	assert_true(n <= sizeof(w->p) - w->n);
	if (n)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void put_int(struct wire *w, size_t v, int bytes)
{
	while (bytes-- > 0) {
		unsigned char c = (unsigned char)(v >> 8 * bytes);

		put(w, &c, 1);
	}
}

static struct slice whole(const struct wire *w)
{
	return slice_of(w->p, w->n);
}

/* What OpenSSL's client sends first. */
static void openssl_hello(struct wire *w, const char *name, bool alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (name)
		assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
	if (alpn)
		assert_int_equal(
			SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12),
			0);
	SSL_set_bio(ssl, in, out);
	(void)SSL_connect(ssl);
	n = BIO_get_mem_data(out, &p);
	w->n = 0;
	put(w, p, (size_t)n);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* The same message in records of `size` bytes. */
static void cut(struct wire *to, const struct wire *from, size_t size)
{
	size_t at = 5;

	to->n = 0;
	while (at < from->n) {
		size_t n = from->n - at < size ? from->n - at : size;

		put(to, "\x16\x03\x01", 3);
		put_int(to, n, 2);
		put(to, from->p + at, n);
		at += n;
	}
}

static void reads_a_real_hello(void **state)
{
	static struct wire w;
	struct hello h;

	(void)state;
	openssl_hello(&w, "API.OpenAI.com", true);
	assert_int_equal(hello_parse(whole(&w), scratch, &h), HELLO_OK);
	assert_true(h.has_sni && h.has_alpn && h.alpn_h2 && h.alpn_http11 && !h.has_ech);
	assert_string_equal(h.host, "api.openai.com");
	assert_int_equal(h.host_n, 14);
	openssl_hello(&w, NULL, false);
	assert_int_equal(hello_parse(whole(&w), scratch, &h), HELLO_OK);
	assert_true(!h.has_sni && !h.has_alpn);
}

static void reads_it_however_cut(void **state)
{
	static const size_t sizes[] = { 5, 16, 17, 100, 255 };
	static struct wire w, c;
	struct hello h;

	(void)state;
	openssl_hello(&w, "api.openai.com", true);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t steps = 0;

		cut(&c, &w, sizes[i]);
		if (c.n / (sizes[i] + 5) >= 64) {
			assert_int_equal(hello_parse(whole(&c), scratch, &h), HELLO_MALFORMED);
			continue;
		}
		for (size_t n = 0; n < c.n; n++) {
			assert_int_equal(hello_parse(slice_of(c.p, n), scratch, &h),
					 HELLO_NEED_MORE);
			assert_true(h.need > n && h.need <= c.n);
		}
		assert_int_equal(hello_parse(whole(&c), scratch, &h), HELLO_OK);
		assert_string_equal(h.host, "api.openai.com");
		/* `need` is what a reader waits for: it gets there in two steps a record. */
		for (size_t n = 0; hello_parse(slice_of(c.p, n), scratch, &h) == HELLO_NEED_MORE;
		     n = h.need)
			steps++;
		assert_int_equal(steps, 2 * ((w.n - 5 + sizes[i] - 1) / sizes[i]));
	}
}

/* A hello of our own making, with the extension block given. */
static void make(struct wire *w, const struct wire *extensions)
{
	size_t body = 2 + 32 + 1 + 2 + 2 + 2 + (extensions ? 2 + extensions->n : 0);

	w->n = 0;
	put(w, "\x16\x03\x01", 3);
	put_int(w, body + 4, 2);
	put(w, "\x01", 1);
	put_int(w, body, 3);
	put(w,
	    "\x03\x03"
	    "0123456789abcdef0123456789abcdef"
	    "\0"
	    "\0\x02\x13\x01"
	    "\x01\0",
	    41);
	if (!extensions)
		return;
	put_int(w, extensions->n, 2);
	put(w, extensions->p, extensions->n);
}

static void put_sni(struct wire *e, struct slice name)
{
	put_int(e, 0, 2);
	put_int(e, name.n + 5, 2);
	put_int(e, name.n + 3, 2);
	put_int(e, 0, 1);
	put_int(e, name.n, 2);
	put(e, name.p, name.n);
}

static enum hello_result with_name(struct slice name, struct hello *ret)
{
	static struct wire w, e;

	e.n = 0;
	put_sni(&e, name);
	make(&w, &e);
	return hello_parse(whole(&w), scratch, ret);
}

static void checks_the_name(void **state)
{
	static const char *const good[][2] = { { "a", "a" },
					       { "A.B-c.D", "a.b-c.d" },
					       { "x.example.", "x.example" },
					       { "1.2.3.4a", "1.2.3.4a" },
					       { "xn--bcher-kva.example",
						 "xn--bcher-kva.example" } };
	static const struct slice bad[] = {
#define B(s) { s, sizeof(s) - 1 }
		B(""),
		B("."),
		B("a.."),
		B(".a"),
		B("a..b"),
		B("-a.b"),
		B("a-.b"),
		B("a.b-"),
		B("1.2.3.4"),
		B("[::1]"),
		B("::1"),
		B("a b"),
		B("a\0b"),
		B("a_b.c"),
		B("a/b"),
		B("a:443"),
		B("*.a"),
		B("b\xc3\xbc"),
		B("a.1"),
		B("0x7f000001.1"),
		B("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"),
#undef B
	};
	char longest[300];
	struct hello h;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(with_name(slice_str(good[i][0]), &h), HELLO_OK);
		assert_string_equal(h.host, good[i][1]);
		assert_int_equal(h.host_n, strlen(good[i][1]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(with_name(bad[i], &h), HELLO_MALFORMED);
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = i % 50 == 49 ? '.' : 'a';
	assert_int_equal(with_name(slice_of(longest, 253), &h), HELLO_OK);
	for (size_t n = 254; n < sizeof(longest); n++)
		assert_int_equal(with_name(slice_of(longest, n), &h), HELLO_MALFORMED);
}

static void refuses_bent_extensions(void **state)
{
	static const struct slice bad[] = {
#define B(s) { s, sizeof(s) - 1 }
		B("\0\0\0\x06\0\x04\0\0\x01"
		  "a"
		  "\0\0\0\x06\0\x04\0\0\x01"
		  "a"), /* twice */
		B("\0\0\0\x0a\0\x08\0\0\x01"
		  "a"
		  "\0\0\x01"
		  "b"), /* two names */
		B("\0\0\0\x06\0\x04\x01\0\x01"
		  "a"), /* not a host name */
		B("\0\0\0\x07\0\x04\0\0\x01"
		  "a"
		  "b"), /* a byte behind */
		B("\0\0\0\x06\0\x05\0\0\x01"
		  "a"), /* longer than the extension */
		B("\0\0\0\0"), /* empty */
		B("\0\0\0\x06\0\x04\0\0\x01"), /* cut */
		B("\0\x10\0\x02\0\0"), /* ALPN of nothing */
		B("\0\x10\0\x03\0\x01\0"), /* ALPN with an empty name */
		B("\0\x10\0\x05\0\x03\x05"
		  "h2"), /* ALPN name too long */
		B("\0\x10\0\x05\0\x03\x02"
		  "h2"
		  "\0\x10\0\x05\0\x03\x02"
		  "h2"),
		B("\0"),
#undef B
	};
	static struct wire w, e;
	struct hello h;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.n = 0;
		put(&e, bad[i].p, bad[i].n);
		make(&w, &e);
		assert_int_equal(hello_parse(whole(&w), scratch, &h), HELLO_MALFORMED);
	}
	e.n = 0;
	put(&e, "\xfe\x0d\0\0", 4);
	make(&w, &e);
	assert_int_equal(hello_parse(whole(&w), scratch, &h), HELLO_OK);
	assert_true(h.has_ech);
	make(&w, NULL);
	assert_int_equal(hello_parse(whole(&w), scratch, &h), HELLO_OK);
}

/* One byte of a good hello at a time, where every value but the right one is wrong. */
static void refuses_bent_bytes(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
		enum hello_result result;
	} cases[] = {
		{ 0, 0x17, HELLO_MALFORMED }, { 0, 'G', HELLO_NOT_TLS },
		{ 0, 0x19, HELLO_NOT_TLS },   { 0, 0x13, HELLO_NOT_TLS },
		{ 1, 2, HELLO_MALFORMED },    { 1, 16, HELLO_MALFORMED },
		{ 1, 255, HELLO_MALFORMED },  { 4, 0, HELLO_MALFORMED }, /* an empty record */
		{ 3, 0x41, HELLO_MALFORMED }, /* a record above 2^14 */
		{ 5, 2, HELLO_MALFORMED }, /* not a ClientHello */
		{ 8, 0x28, HELLO_MALFORMED }, /* message shorter than its record */
		{ 6, 1, HELLO_TOO_LARGE },    { 9, 2, HELLO_MALFORMED },
		{ 10, 4, HELLO_MALFORMED },   { 43, 33, HELLO_MALFORMED },
		{ 45, 0, HELLO_MALFORMED },   { 45, 3, HELLO_MALFORMED },
		{ 48, 0, HELLO_MALFORMED },   { 49, 1, HELLO_MALFORMED },
	};
	static struct wire w;
	struct hello h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(&w, NULL);
		w.p[cases[i].at] = cases[i].value;
		assert_int_equal(hello_parse(whole(&w), scratch, &h), cases[i].result);
	}
}

/* As the kernel's: tests/unit/bpf/test_sni.c. */
static void tells_what_only_begins_like_tls(void **state)
{
	static const struct {
		unsigned char p[6];
		enum hello_result result;
	} cases[] = {
		{ { 21, 0, 0, 0, 100, 255 }, HELLO_NOT_TLS }, /* 9P2000.L: a length */
		{ { 21, 0, 71, 14, 'm', 'c' }, HELLO_NOT_TLS }, /* Minecraft */
		{ { 20, 1, 0, 0, 1, 0 }, HELLO_NOT_TLS }, /* MongoDB */
		{ { 23, 0, 0, 0, 0, 0 }, HELLO_NOT_TLS },
		{ { 21, 1, 0, 0, 2, 3 }, HELLO_NOT_TLS },
		{ { 22, 255, 0, 0, 1, 2 }, HELLO_NOT_TLS },
		{ { 22, 255, 0, 0, 1, 1 }, HELLO_MALFORMED },
		{ { 22, 2, 0, 0, 0, 22 }, HELLO_MALFORMED }, /* an empty record */
		{ { 21, 2, 0, 0, 2, 1 }, HELLO_MALFORMED }, /* a warning: Go bears with it */
		{ { 21, 99, 0, 0, 1, 2 }, HELLO_MALFORMED },
		{ { 20, 3, 1, 0, 1, 1 }, HELLO_MALFORMED },
	};
	struct hello h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice all = slice_of(cases[i].p, 6);

		assert_int_equal(hello_parse(all, scratch, &h), cases[i].result);
		all.n = 1;
		assert_int_equal(hello_parse(all, scratch, &h), HELLO_NEED_MORE);
	}
}

static void refuses_other_records_between(void **state)
{
	static struct wire w, c;
	struct hello h;

	(void)state;
	openssl_hello(&w, "a.example", false);
	cut(&c, &w, 100);
	c.p[105] = 0x15;
	assert_int_equal(hello_parse(whole(&c), scratch, &h), HELLO_MALFORMED);
	cut(&c, &w, 100);
	c.p[108] = c.p[109] = 0;
	assert_int_equal(hello_parse(whole(&c), scratch, &h), HELLO_MALFORMED);
	/* Something after the hello in its last record. */
	openssl_hello(&w, "a.example", false);
	put(&w, "x", 1);
	w.p[3] = (unsigned char)((w.n - 5) >> 8);
	w.p[4] = (unsigned char)(w.n - 5);
	assert_int_equal(hello_parse(whole(&w), scratch, &h), HELLO_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_real_hello),
		cmocka_unit_test(reads_it_however_cut),
		cmocka_unit_test(checks_the_name),
		cmocka_unit_test(refuses_bent_extensions),
		cmocka_unit_test(refuses_bent_bytes),
		cmocka_unit_test(tells_what_only_begins_like_tls),
		cmocka_unit_test(refuses_other_records_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
