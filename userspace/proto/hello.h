/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3, RFC 7301 3.1) from the first bytes of a
 * connection, without consuming them: records are reassembled, so a hello may span segments and
 * records. Pure: no I/O, no allocation beyond the caller's scratch.
 */
#pragma once

#include "base/slice.h"

#define HELLO_WIRE_MAX 65536 /* records and their headers; more is refused */
#define HELLO_HOST_MAX 255

enum hello_result {
	HELLO_OK,
	HELLO_NEED_MORE, /* ret->need says how many bytes from the start are needed at least */
	HELLO_NOT_TLS, /* does not begin as TLS */
	HELLO_MALFORMED,
	HELLO_TOO_LARGE,
};

struct hello {
	size_t need; /* HELLO_NEED_MORE: total bytes wanted, > n */
	bool has_sni; /* false: no server_name extension */
	char host[HELLO_HOST_MAX +
		  1]; /* lower case, without trailing dot; syntax checked (LDH labels) */
	size_t host_n;
	bool has_alpn;
	bool alpn_http11, alpn_h2; /* offered */
	bool has_ech; /* encrypted_client_hello extension present (may be GREASE) */
};

/* `wire` is everything received so far. scratch: HELLO_WIRE_MAX bytes, used only if the hello spans
 * records. An address literal, an empty or a repeated name is HELLO_MALFORMED. */
enum hello_result hello_parse(struct slice wire, char *scratch, struct hello *ret);
