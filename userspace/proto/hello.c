/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/hello.h"

#define RECORD_HEAD	  5u
#define RECORD_FIRST	  20u /* types: ChangeCipherSpec ... */
#define RECORD_ALERT	  21u
#define RECORD_HANDSHAKE  22u
#define RECORD_LAST	  24u /* ... heartbeat */
#define RECORD_BODY_MAX	  16384u
#define HANDSHAKE_HEAD	  4u
#define TYPE_CLIENT_HELLO 1u
#define EXT_SERVER_NAME	  0u
#define EXT_ALPN	  16u
#define EXT_ECH		  0xfe0du
/* Each call reads all records anew: slivers of a byte each would make that quadratic. */
#define RECORDS_MAX	  64u

/* A cursor that only moves forward; once it has failed it stays failed. */
struct cursor {
	const unsigned char *p;
	size_t n;
	bool bad;
};

static unsigned take_int(struct cursor *c, size_t bytes)
{
	unsigned v = 0;

	if (c->n < bytes) {
		c->bad = true;
		c->n = 0;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | c->p[i];
	c->p += bytes;
	c->n -= bytes;
	return v;
}

/* A vector with a length of `bytes` bytes in front. */
static struct cursor take_vector(struct cursor *c, size_t bytes)
{
	size_t n = take_int(c, bytes);
	struct cursor v = { c->p, n, c->bad };

	if (c->bad || c->n < n) {
		c->bad = true;
		c->n = 0;
		return (struct cursor){ .bad = true };
	}
	c->p += n;
	c->n -= n;
	return v;
}

static bool is_ldh(unsigned char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-';
}

/* Host syntax: labels of 1..63 of letters, digits, hyphen; the last has a letter, which
 * excludes IPv4 literals; ':' is excluded, which excludes IPv6 ones. */
static bool is_host(const char *s, size_t n)
{
	size_t label = 0;
	bool letter = false;

	for (size_t i = 0; i < n; i++) {
		unsigned char ch = (unsigned char)s[i];

		if (ch == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			letter = false;
			continue;
		}
		if (!is_ldh(ch) || ++label > 63 || (label == 1 && ch == '-'))
			return false;
		letter |= ch >= 'a' && ch <= 'z';
	}
	return n > 0 && label > 0 && letter && s[n - 1] != '-';
}

static bool read_sni(struct cursor ext, struct hello *ret)
{
	struct cursor list = take_vector(&ext, 2), name;
	unsigned type = take_int(&list, 1);

	name = take_vector(&list, 2);
	if (ext.bad || ext.n || list.bad || list.n || name.bad || type != 0 || name.n == 0 ||
	    name.n > HELLO_HOST_MAX || ret->has_sni)
		return false;
	for (size_t i = 0; i < name.n; i++)
		ret->host[i] = ascii_lower((char)name.p[i]);
	ret->host_n = name.n;
	if (ret->host[name.n - 1] == '.')
		ret->host_n--;
	ret->host[ret->host_n] = '\0';
	ret->has_sni = true;
	return ret->host_n <= 253 && is_host(ret->host, ret->host_n);
}

static bool read_alpn(struct cursor ext, struct hello *ret)
{
	struct cursor list = take_vector(&ext, 2);

	if (ext.bad || ext.n || list.n == 0 || ret->has_alpn)
		return false;
	ret->has_alpn = true;
	while (list.n) {
		struct cursor name = take_vector(&list, 1);
		struct slice s = slice_of(name.p, name.n);

		if (name.bad || name.n == 0)
			return false;
		ret->alpn_http11 |= slice_eq(s, SLICE("http/1.1"));
		ret->alpn_h2 |= slice_eq(s, SLICE("h2"));
	}
	return !list.bad;
}

static bool read_extensions(struct cursor all, struct hello *ret)
{
	while (all.n) {
		unsigned type = take_int(&all, 2);
		struct cursor ext = take_vector(&all, 2);

		if (all.bad || ext.bad)
			return false;
		if (type == EXT_SERVER_NAME && !read_sni(ext, ret))
			return false;
		if (type == EXT_ALPN && !read_alpn(ext, ret))
			return false;
		if (type == EXT_ECH)
			ret->has_ech = true;
	}
	return !all.bad;
}

static enum hello_result read_body(struct cursor c, struct hello *ret)
{
	unsigned version = take_int(&c, 2);
	struct cursor session, suites, compression, extensions;

	if (c.n < 32)
		return HELLO_MALFORMED;
	c.p += 32;
	c.n -= 32;
	session = take_vector(&c, 1);
	suites = take_vector(&c, 2);
	compression = take_vector(&c, 1);
	if (c.bad || version < 0x0301 || version > 0x0303 || session.n > 32 || suites.n < 2 ||
	    suites.n % 2 || compression.n == 0 || !memchr(compression.p, 0, compression.n))
		return HELLO_MALFORMED;
	if (c.n == 0)
		return HELLO_OK; /* TLS 1.2 without extensions */
	extensions = take_vector(&c, 2);
	if (c.bad || c.n || !read_extensions(extensions, ret))
		return HELLO_MALFORMED;
	return HELLO_OK;
}

/* Length of the whole handshake message, its head included; 0: the head is not complete. */
static size_t message_length(const unsigned char *p, size_t n)
{
	return n < HANDSHAKE_HEAD
		       ? 0
		       : HANDSHAKE_HEAD + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
}

static enum hello_result need(struct hello *ret, size_t n)
{
	if (n > HELLO_WIRE_MAX)
		return HELLO_TOO_LARGE;
	ret->need = n;
	return HELLO_NEED_MORE;
}

static enum hello_result parse_message(const unsigned char *p, size_t n, struct hello *ret)
{
	struct cursor c = { p + HANDSHAKE_HEAD, n - HANDSHAKE_HEAD, false };

	return p[0] == TYPE_CLIENT_HELLO ? read_body(c, ret) : HELLO_MALFORMED;
}

/*
 * The first bytes of a connection. Servers bear with alerts before the hello, and with versions
 * that nobody has (Go, s2n): what begins like that is not passed on as no TLS. bpf/lib/sni.h does
 * the same.
 */
static enum hello_result judge_begin(const unsigned char *p, size_t n)
{
	size_t length;

	if (p[0] < RECORD_FIRST || p[0] > RECORD_LAST)
		return HELLO_NOT_TLS;
	if (n < 2)
		return HELLO_NEED_MORE;
	if (p[1] == 3)
		return p[0] == RECORD_HANDSHAKE ? HELLO_OK : HELLO_MALFORMED;
	if (p[0] != RECORD_HANDSHAKE && p[0] != RECORD_ALERT)
		return HELLO_NOT_TLS;
	if (n <= RECORD_HEAD)
		return HELLO_NEED_MORE;
	length = (size_t)p[3] << 8 | p[4];
	if (length == 0)
		return HELLO_MALFORMED;
	if (p[0] == RECORD_ALERT)
		return length <= 2 && (p[5] == 1 || p[5] == 2) ? HELLO_MALFORMED : HELLO_NOT_TLS;
	return p[RECORD_HEAD] == TYPE_CLIENT_HELLO ? HELLO_MALFORMED : HELLO_NOT_TLS;
}

enum hello_result hello_parse(struct slice wire, char *scratch, struct hello *ret)
{
	const unsigned char *w = (const unsigned char *)wire.p;
	size_t at = 0, have = 0, whole, records = 0;
	enum hello_result begin = wire.n ? judge_begin(w, wire.n) : HELLO_OK;

	*ret = (struct hello){ 0 };
	if (begin == HELLO_NEED_MORE)
		return need(ret, RECORD_HEAD + (wire.n >= 2));
	if (begin != HELLO_OK)
		return begin;
	for (;;) {
		const unsigned char *r = w + at;
		size_t left = wire.n - at, n;

		if (left >= 1 && r[0] != RECORD_HANDSHAKE)
			return HELLO_MALFORMED;
		if (left >= 2 && r[1] != 3)
			return HELLO_MALFORMED;
		if (left < RECORD_HEAD)
			return need(ret, at + RECORD_HEAD);
		n = (size_t)r[3] << 8 | r[4];
		if (n == 0 || n > RECORD_BODY_MAX)
			return HELLO_MALFORMED;
		if (left < RECORD_HEAD + n)
			return need(ret, at + RECORD_HEAD + n);
		if (++records > RECORDS_MAX)
			return HELLO_MALFORMED;
		r += RECORD_HEAD;
		/* The usual case: the whole message in the first record. */
		whole = message_length(r, n);
		if (at == 0 && whole && whole <= n)
			return whole == n ? parse_message(r, whole, ret) : HELLO_MALFORMED;
		if (have + n > HELLO_WIRE_MAX)
			return HELLO_TOO_LARGE;
		memcpy(scratch + have, r, n);
		have += n;
		at += RECORD_HEAD + n;
		whole = message_length((const unsigned char *)scratch, have);
		if (whole > HELLO_WIRE_MAX)
			return HELLO_TOO_LARGE;
		if (whole && have >= whole)
			return have == whole
				       ? parse_message((const unsigned char *)scratch, whole, ret)
				       : HELLO_MALFORMED;
	}
}
