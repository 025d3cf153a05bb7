/* SPDX-License-Identifier: Apache-2.0 */
/* What the egress gate reads of a packet, natively: destination, source routes, empty segments. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/packet.h"

struct bytes {
	const uint8_t *p;
	size_t n;
};

static int load(void *ctx, __u32 offset, void *to, __u32 n)
{
	const struct bytes *b = ctx;

	if (offset > b->n || n > b->n - offset)
		return -1;
	memcpy(to, b->p + offset, n);
	return 0;
}

static enum packet_kind parse(const uint8_t *p, size_t n, struct packet *ret)
{
	struct bytes b = { p, n };

	memset(ret, 0, sizeof(*ret));
	return packet_parse(load, &b, ret);
}

/* A TCP segment to 203.0.113.10 behind `options` (a multiple of four), `extra` bytes of payload. */
static size_t make4(uint8_t *p, const void *options, size_t n, uint8_t flags, size_t extra)
{
	size_t len = 20 + n + 20 + extra;

	memset(p, 0, len);
	p[0] = (uint8_t)(0x40 | (20 + n) / 4);
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	p[9] = 6;
	memcpy(p + 16, "\xcb\x00\x71\x0a", 4);
	if (n)
		memcpy(p + 20, options, n);
	p[20 + n + 12] = 5 << 4;
	p[20 + n + 13] = flags;
	return len;
}

static size_t make6(uint8_t *p, uint8_t next, const void *ext, size_t n)
{
	memset(p, 0, 40 + n + 20);
	p[0] = 0x60;
	p[5] = (uint8_t)(n + 20);
	p[6] = next;
	memcpy(p + 24, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x10", 16);
	if (n)
		memcpy(p + 40, ext, n);
	p[40 + n + 12] = 5 << 4;
	return 40 + n + 20;
}

static void plain_ipv4(void **state)
{
	struct eg_addr want;
	struct packet k;
	uint8_t p[128];
	size_t n = make4(p, NULL, 0, 0, 0);

	(void)state;
	assert_int_equal(parse(p, n, &k), PACKET_PLAIN);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:203.0.113.10", &want), 1);
	assert_memory_equal(&k.dst, &want, 16);
	assert_int_equal(k.l4, 20);
	assert_int_equal(k.proto, 6);
}

static void harmless_options_stay_plain(void **state)
{
	struct packet k;
	uint8_t p[128];

	(void)state;
	assert_int_equal(parse(p, make4(p, "\x94\x04\0\0", 4, 0, 0), &k), PACKET_PLAIN);
	assert_int_equal(parse(p, make4(p, "\1\1\1\1", 4, 0, 0), &k), PACKET_PLAIN);
	assert_int_equal(parse(p, make4(p, "\0\x83\x83\x83", 4, 0, 0), &k), PACKET_PLAIN);
	assert_int_equal(parse(p,
			       make4(p,
				     "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
				     "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1",
				     40, 0, 0),
			       &k),
			 PACKET_PLAIN);
}

static void source_routes_are_odd(void **state)
{
	struct packet k;
	uint8_t p[128];

	(void)state;
	assert_int_equal(parse(p, make4(p, "\x83\x07\x04\1\2\3\4\0", 8, 0, 0), &k), PACKET_ODD);
	assert_int_equal(parse(p, make4(p, "\x89\x07\x04\1\2\3\4\0", 8, 0, 0), &k), PACKET_ODD);
	/* hidden behind others */
	assert_int_equal(parse(p, make4(p, "\1\x94\x04\0\0\x83\x03\x04", 8, 0, 0), &k), PACKET_ODD);
	assert_int_equal(parse(p,
			       make4(p,
				     "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
				     "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\x83\3\4",
				     40, 0, 0),
			       &k),
			 PACKET_ODD);
}

static void malformed_options_are_odd(void **state)
{
	struct packet k;
	uint8_t p[128];

	(void)state;
	assert_int_equal(parse(p, make4(p, "\x94\x00\0\0", 4, 0, 0), &k), PACKET_ODD);
	assert_int_equal(parse(p, make4(p, "\x94\x01\0\0", 4, 0, 0), &k), PACKET_ODD);
	assert_int_equal(parse(p, make4(p, "\x94\x05\0\0", 4, 0, 0), &k), PACKET_ODD);
	assert_int_equal(parse(p, make4(p, "\x94\xff\0\0", 4, 0, 0), &k), PACKET_ODD);
}

static void cut_packets_are_odd(void **state)
{
	struct packet k;
	uint8_t p[128];

	(void)state;
	make4(p, NULL, 0, 0, 0);
	for (size_t n = 0; n < 20; n++)
		assert_int_equal(parse(p, n, &k), PACKET_ODD);
	make6(p, 6, NULL, 0);
	for (size_t n = 0; n < 40; n++)
		assert_int_equal(parse(p, n, &k), PACKET_ODD);
	p[0] = 0x50;
	assert_int_equal(parse(p, 60, &k), PACKET_ODD);
	make4(p, NULL, 0, 0, 0);
	p[0] = 0x44;
	assert_int_equal(parse(p, 40, &k), PACKET_ODD);
}

static void extension_headers_are_walked(void **state)
{
	struct packet k;
	uint8_t p[256];

	(void)state;
	assert_int_equal(parse(p, make6(p, 6, NULL, 0), &k), PACKET_PLAIN);
	assert_int_equal(k.l4, 40);
	/* hop-by-hop, destination options, TCP */
	assert_int_equal(parse(p, make6(p, 0, "\x3c\0\1\4\0\0\0\0\x06\0\1\4\0\0\0\0", 16), &k),
			 PACKET_PLAIN);
	assert_int_equal(k.l4, 56);
	assert_int_equal(k.proto, 6);
}

static void routing_headers_are_odd_wherever_they_hide(void **state)
{
	struct packet k;
	uint8_t p[256], chain[80];

	(void)state;
	assert_int_equal(parse(p, make6(p, 43, "\x06\0\0\0\0\0\0\0", 8), &k), PACKET_ODD);
	assert_int_equal(parse(p, make6(p, 60, "\x2b\0\1\4\0\0\0\0\x06\0\0\0\0\0\0\0", 16), &k),
			 PACKET_ODD);
	/* a chain longer than is walked: doubt denies */
	memset(chain, 0, sizeof(chain));
	for (size_t i = 0; i < sizeof(chain); i += 8)
		chain[i] = 60;
	assert_int_equal(parse(p, make6(p, 60, chain, sizeof(chain)), &k), PACKET_ODD);
}

static void only_segments_without_payload_are_bare(void **state)
{
	struct bytes b = { NULL, 0 };
	struct packet k;
	uint8_t p[128];

	(void)state;
	b.p = p;
	b.n = make4(p, NULL, 0, TCP_PACKET_RST, 0);
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_bare_tcp(load, &b, &k), TCP_PACKET_RST);
	b.n = make4(p, NULL, 0, TCP_PACKET_RST, 1);
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_bare_tcp(load, &b, &k), -1);
	b.n = make4(p, NULL, 0, TCP_PACKET_RST, 0);
	p[9] = 17;
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_bare_tcp(load, &b, &k), -1);
}

static void a_fragment_shows_no_port(void **state)
{
	static const uint8_t fragment[] = { 6, 0, 0, 1, 0, 0, 0, 9 };
	static const uint8_t hop[] = { 6, 0, 0, 0, 0, 0, 0, 0 };
	struct bytes b = { NULL, 0 };
	struct packet k;
	uint8_t p[128];

	(void)state;
	b.p = p;
	b.n = make4(p, NULL, 0, 0, 4);
	p[20 + 2] = 1;
	p[20 + 3] = 187;
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_port(load, &b, &k), 443);
	p[6] = 0x40; /* may not be cut: a whole one */
	assert_int_equal(packet_port(load, &b, &k), 443);
	p[6] = 0x20; /* more follow */
	assert_int_equal(packet_port(load, &b, &k), 0);
	p[6] = 0;
	p[7] = 1; /* not the first */
	assert_int_equal(packet_port(load, &b, &k), 0);
	p[7] = 0;
	p[9] = 136; /* UDP-Lite has ports too; no list speaks of them */
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_port(load, &b, &k), 0);

	b.n = make6(p, 0, hop, sizeof(hop));
	p[48 + 2] = 1;
	p[48 + 3] = 187;
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_port(load, &b, &k), 443);
	b.n = make6(p, 44, fragment, sizeof(fragment));
	p[48 + 2] = 1;
	p[48 + 3] = 187;
	assert_int_equal(parse(p, b.n, &k), PACKET_PLAIN);
	assert_int_equal(packet_port(load, &b, &k), 0);
	b.n = 40; /* cut short */
	assert_int_equal(packet_port(load, &b, &k), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_ipv4),
		cmocka_unit_test(harmless_options_stay_plain),
		cmocka_unit_test(source_routes_are_odd),
		cmocka_unit_test(malformed_options_are_odd),
		cmocka_unit_test(cut_packets_are_odd),
		cmocka_unit_test(extension_headers_are_walked),
		cmocka_unit_test(routing_headers_are_odd_wherever_they_hide),
		cmocka_unit_test(only_segments_without_payload_are_bare),
		cmocka_unit_test(a_fragment_shows_no_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
