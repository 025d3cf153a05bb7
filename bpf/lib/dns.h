/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reads DNS answers (RFC 1035 4.1, RFC 9460 2.2) from a bounded copy. Pure: no helper, also
 * compiled natively. It runs in the kernel on what anybody may have sent: every offset is checked,
 * every loop is bounded, what is malformed ends the reading and nothing more is learned from it.
 *
 * All state is in struct dns, which lives in a map value: the verifier then forgets it between the
 * rounds of a loop, where registers would make it walk every path.
 */
#pragma once

#include "lib/name.h"

#define DNS_MSG_MAX	   4096 /* bytes of a message that are looked at; a power of two */
#define DNS_RECORDS_MAX	   64
#define DNS_LABELS_MAX	   128 /* of a name that is skipped */
#define DNS_PARAMS_MAX	   16 /* of one HTTPS record */

#define DNS_A		   1
#define DNS_CNAME	   5
#define DNS_AAAA	   28
#define DNS_SVCB	   64
#define DNS_HTTPS	   65

#define DNS_PARAM_IPV4HINT 4
#define DNS_PARAM_ECH	   5
#define DNS_PARAM_IPV6HINT 6

struct dns {
	__u32 n; /* bytes of msg */
	__u32 at; /* the next record, or parameter */
	__u32 records; /* in the answer section */
	/* the record that dns_record() read */
	__u32 type, data, data_end;
	/* while a name is decoded */
	__u32 from, label;
	struct name name;
	__u8 msg[DNS_MSG_MAX + 256]; /* room, so that 16 bytes at any masked offset are inside */
};
#define DNS_INDEX(i, size) NAME_INDEX(i, size)

addr_inline __u8 dns_byte(const struct dns *d, __u32 at)
{
	return at < d->n ? d->msg[DNS_INDEX(at, DNS_MSG_MAX)] : 0;
}

addr_inline __u16 dns_u16(const struct dns *d, __u32 at)
{
	return (__u16)(dns_byte(d, at) << 8 | dns_byte(d, at + 1));
}

/* Each of these is one round of a loop over struct dns: 0 goes on, 1 ends it. */

/* Skips a label of the name at d->at; malformed: d->at becomes DNS_MSG_MAX. */
addr_inline long dns_skip_label(struct dns *d)
{
	__u8 b;

	if (d->at >= d->n) {
		d->at = DNS_MSG_MAX;
		return 1;
	}
	b = dns_byte(d, d->at);
	if (b == 0)
		d->at += 1;
	else if ((b & 0xc0) == 0xc0)
		d->at += 2;
	else if (b & 0xc0)
		d->at = DNS_MSG_MAX;
	else
		d->at += 1u + b;
	return b == 0 || b & 0xc0;
}

addr_inline void dns_name_begin(struct dns *d, __u32 at)
{
	d->from = at;
	d->label = 0;
	name_begin(&d->name);
}

/* Decodes a byte of the name at d->from, following compression: a pointer costs a round too, so
 * that loops of them end. name.n 0: malformed or too long. */
addr_inline long dns_name_byte(struct dns *d)
{
	__u8 b;

	if (d->from >= d->n || d->name.n >= NAME_MAX_BYTES) {
		d->name.n = 0;
		return 1;
	}
	b = dns_byte(d, d->from);
	if (d->label == 0) {
		if (b == 0)
			return 1;
		if ((b & 0xc0) == 0xc0) {
			d->from = (b & 0x3fu) << 8 | dns_byte(d, d->from + 1);
			return 0;
		}
		if (b & 0xc0) {
			d->name.n = 0;
			return 1;
		}
		d->label = b;
		b = '.';
	} else {
		d->label--;
		b = name_lower(b);
		if (b == '.') /* inside a label: must not look like two */
			b = 0;
	}
	d->name.s[DNS_INDEX(d->name.n, sizeof(d->name.s))] = b;
	d->name.n++;
	d->from++;
	return 0;
}

#define DNS_NAME_ROUNDS 320

/* The header: an answer, without error, to one question of the usual kind. */
addr_inline int dns_header(struct dns *d)
{
	__u16 flags = dns_u16(d, 2);

	d->records = dns_u16(d, 6);
	if (d->records > DNS_RECORDS_MAX)
		d->records = DNS_RECORDS_MAX;
	d->at = 12;
	/* QR, opcode QUERY, rcode NOERROR */
	return d->n > 16 && (flags & 0xf80f) == 0x8000 && dns_u16(d, 4) == 1;
}

/* Behind the owner's name: type, class, TTL and length of the record at d->at, which moves on to
 * the next one. 0: malformed. */
addr_inline int dns_record(struct dns *d)
{
	__u32 at = d->at, length;

	if (at + 10 > d->n || at >= DNS_MSG_MAX)
		return 0;
	d->type = dns_u16(d, at);
	length = dns_u16(d, at + 8);
	d->data = at + 10;
	d->data_end = d->data + length;
	d->at = d->data_end;
	if (dns_u16(d, at + 2) != 1) /* class IN, or of no interest */
		d->type = 0;
	return d->data_end <= d->n;
}

/* An IPv4 (n 4) or IPv6 (n 16) address at an offset. 0: not all there. */
addr_inline int dns_addr(const struct dns *d, __u32 at, __u32 n, struct eg_addr *ret)
{
	const __u8 *p;
	__be32 v4;

	if (at + n > d->n)
		return 0;
	p = d->msg + DNS_INDEX(at, DNS_MSG_MAX);
	if (n == 4) {
		__builtin_memcpy(&v4, p, 4);
		addr_map4(ret, v4);
	} else {
		__builtin_memcpy(ret, p, 16);
	}
	return 1;
}
