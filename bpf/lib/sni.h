/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reads the server name of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3) from the first payload of
 * a connection, where all of it lies in one packet and one record. Pure: bytes come through an
 * accessor (packet.h), loops are the caller's: each sni_*_round() is a round, 0 goes on, 1 ends it.
 *
 * All lengths must fit each other exactly: whoever could make us read another name than the server
 * reads would pass. What does not fit, or lies in more than one record, is SNI_ODD: no verdict, the
 * proxy must read the stream.
 */
#pragma once

#include "lib/name.h"
#include "lib/packet.h"

enum sni_result {
	SNI_MORE, /* so far it could become a hello */
	SNI_OTHER, /* no TLS */
	SNI_NONE, /* a ClientHello without a server name */
	SNI_NAME, /* in sni.name, its key not made yet */
	SNI_ODD,
};

#define SNI_RECORD_MAX	   16384
#define SNI_EXTENSIONS_MAX 64
/* Types of records: ChangeCipherSpec to heartbeat. */
#define SNI_RECORD_FIRST   20
#define SNI_RECORD_LAST	   24
#define SNI_ALERT	   21
#define SNI_HANDSHAKE	   22
#define SNI_BEGIN	   6 /* bytes that tell a beginning of TLS from what only begins like one */
#define SNI_CLIENT_HELLO   1
#define SNI_SERVER_NAME	   0
#define SNI_HEAD	   5 /* of a record */
#define SNI_FIXED	   43 /* record, handshake header, version, random */

struct sni {
	__u32 base; /* where the payload begins in the packet */
	__u32 n; /* bytes of it */
	__u32 at, end; /* of extensions not yet read, in the packet */
	__u32 result;
	__u32 name_at; /* where the name's bytes are in the packet */
	__u32 copied; /* of them, checked and made lower case */
	__u32 pad;
	struct name name;
};

addr_inline int sni_u16(packet_load_fn load, void *ctx, __u32 at, __u32 *ret)
{
	__be16 v;

	if (load(ctx, at, &v, 2))
		return 1;
	*ret = bpf_ntohs(v);
	return 0;
}

/* Skips a vector of units, whose length takes `bytes`; not 0: no such vector ends in the hello. */
addr_inline int sni_skip(packet_load_fn load, void *ctx, struct sni *s, int bytes, __u32 unit)
{
	__u32 n = 0;
	__u8 one;

	if (s->at + bytes > s->end)
		return 1;
	if (bytes == 1) {
		if (load(ctx, s->at, &one, 1))
			return 1;
		n = one;
	} else if (sni_u16(load, ctx, s->at, &n)) {
		return 1;
	}
	s->at += bytes + n;
	return s->at > s->end || n & (unit - 1);
}

/*
 * A version that nobody has. Servers bear with any in front of the hello (s2n; Go: some), and with
 * alerts there, whole or in parts; they ask for the type and length that these have. Other
 * protocols begin with a byte like that, too: a length, mostly (9P, MongoDB).
 */
addr_inline enum sni_result sni_foreign(packet_load_fn load, void *ctx, struct sni *s, __u8 *b)
{
	__u32 n;

	if (b[0] != SNI_HANDSHAKE && b[0] != SNI_ALERT)
		return SNI_OTHER;
	if (s->n < SNI_BEGIN || load(ctx, s->base + 2, b + 2, SNI_BEGIN - 2))
		return SNI_MORE;
	n = b[3] << 8 | b[4];
	if (n == 0)
		return SNI_ODD;
	if (b[0] == SNI_ALERT)
		return n <= 2 && (b[5] == 1 || b[5] == 2) ? SNI_ODD : SNI_OTHER;
	return b[5] == SNI_CLIENT_HELLO ? SNI_ODD : SNI_OTHER;
}

/* The first bytes: is this a hello at all? SNI_NAME stands for yes, and it is complete. */
addr_inline enum sni_result sni_head(packet_load_fn load, void *ctx, struct sni *s)
{
	__u8 b[9] = {}; /* record: type, version, length; handshake: type, length */
	__u32 record, hello;

	if (s->n == 0 || load(ctx, s->base, b, 1))
		return SNI_MORE;
	if (b[0] < SNI_RECORD_FIRST || b[0] > SNI_RECORD_LAST)
		return SNI_OTHER;
	if (s->n < 2 || load(ctx, s->base + 1, b + 1, 1))
		return SNI_MORE;
	if (b[1] != 3)
		return sni_foreign(load, ctx, s, b);
	if (b[0] != SNI_HANDSHAKE)
		return SNI_ODD;
	if (s->n < SNI_HEAD || load(ctx, s->base + 2, b + 2, 3))
		return SNI_MORE;
	record = b[3] << 8 | b[4];
	if (record < 4 || record > SNI_RECORD_MAX)
		return SNI_ODD;
	if (s->n < SNI_HEAD + 4 || load(ctx, s->base + 5, b + 5, 4))
		return SNI_MORE;
	if (b[5] != SNI_CLIENT_HELLO)
		return SNI_ODD;
	hello = b[6] << 16 | b[7] << 8 | b[8];
	if (hello + 4 != record) /* more records, or something behind it in this one */
		return SNI_ODD;
	if (s->n < SNI_HEAD + record)
		return SNI_MORE;
	s->end = s->base + SNI_HEAD + record;
	return SNI_NAME;
}

/* Up to the extensions. SNI_NAME: there are some to be read, by sni_extension_round(). */
addr_inline enum sni_result sni_begin(packet_load_fn load, void *ctx, struct sni *s)
{
	enum sni_result r = sni_head(load, ctx, s);
	__u32 n;

	name_begin(&s->name);
	s->copied = 0;
	if (r != SNI_NAME)
		return r;
	s->at = s->base + SNI_FIXED;
	if (sni_skip(load, ctx, s, 1, 1) || /* session id */
	    sni_skip(load, ctx, s, 2, 2) || /* cipher suites */
	    sni_skip(load, ctx, s, 1, 1)) /* compression methods */
		return SNI_ODD;
	if (s->at == s->end)
		return SNI_NONE;
	if (sni_u16(load, ctx, s->at, &n) || s->at + 2 + n != s->end)
		return SNI_ODD;
	s->at += 2;
	s->result = SNI_NONE;
	return SNI_NAME;
}

/* The extension's data at s->at, n bytes: a list of one host name, put behind a dot. */
addr_inline enum sni_result sni_server_name(packet_load_fn load, void *ctx, struct sni *s, __u32 n)
{
	__u32 list, name_n;
	__u8 type;

	if (s->result != SNI_NONE || n < 6 || sni_u16(load, ctx, s->at, &list) ||
	    load(ctx, s->at + 2, &type, 1) || sni_u16(load, ctx, s->at + 3, &name_n))
		return SNI_ODD;
	if (list + 2 != n || type != 0 || name_n + 5 != n || name_n >= NAME_MAX_BYTES)
		return SNI_ODD;
	s->name.s[0] = '.';
	s->name.n = name_n + 1;
	return SNI_NAME;
}

/* Reads the extension at s->at; the name's bytes are the caller's to fetch, from name_at to name.s
 * + 1. */
addr_inline long sni_extension_round(packet_load_fn load, void *ctx, struct sni *s)
{
	__u32 type, n;

	if (s->at == s->end)
		return 1;
	if (s->at + 4 > s->end || sni_u16(load, ctx, s->at, &type) ||
	    sni_u16(load, ctx, s->at + 2, &n) || s->at + 4 + n > s->end) {
		s->result = SNI_ODD;
		return 1;
	}
	s->at += 4;
	if (type == SNI_SERVER_NAME) {
		s->result = sni_server_name(load, ctx, s, n);
		s->name_at = s->at + 5;
		if (s->result == SNI_ODD)
			return 1;
	}
	s->at += n;
	return 0;
}

/* Checks a byte of the name; behind the last, a dot at its end is taken off. */
addr_inline long sni_name_round(struct sni *s)
{
	__u64 i = NAME_INDEX(s->copied, 512);
	__u8 b;

	if (s->copied >= s->name.n) {
		if (s->name.n > 2 && s->name.s[NAME_INDEX(s->name.n - 1, 512)] == '.')
			s->name.n--;
		return 1;
	}
	b = name_lower(s->name.s[i]);
	s->name.s[i] = b;
	s->copied++;
	if ((b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '.' || b == '_')
		return 0;
	s->result = SNI_ODD;
	return 1;
}

/* After all rounds: what did not come to its end is odd. */
addr_inline enum sni_result sni_end(const struct sni *s)
{
	return s->at == s->end ? s->result : SNI_ODD;
}
