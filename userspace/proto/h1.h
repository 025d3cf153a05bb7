/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9112) as a sans-I/O parser: llhttp plus what it lets through: exactly one Host, no
 * obs-fold, Transfer-Encoding exactly `chunked` and only in 1.1, never beside Content-Length, no
 * bare CR or LF, no space before a colon, field names of tchar only, no control character in
 * values, origin-form target (`*` for OPTIONS only), version 1.0 or 1.1, chunk sizes without white
 * space. What smuggles is an error, never repaired. Bodies are handed on without framing; trailers
 * are validated and dropped... unless h1_trailers() is asked for them.
 *
 * Use: feed bytes with h1_parse() until it says what happened; it stops at each event and says how
 * much it consumed. After H1_DONE call h1_next() for the next message on the connection.
 */
#pragma once

#include "base/pool.h"
#include "proto/http.h"

enum h1_event {
	H1_NEED_MORE, /* all consumed, nothing complete */
	H1_HEAD, /* the head is complete: see h1_request() / h1_response() */
	H1_BODY, /* *ret_body is a piece of the body, inside the bytes given */
	H1_DONE, /* the message is complete */
	H1_ERROR, /* malformed or ambiguous: h1_error() says why */
	H1_TOO_LARGE, /* the head exceeds its bound */
};

struct h1;

struct h1_limits {
	size_t head_max; /* bytes of request line and fields, default 64 KiB */
	size_t fields_max; /* number of fields, default 200 */
	size_t target_max; /* default 16 KiB */
};

/* `pool` receives the head of each message (copied out of the input); the owner clears it between
 * messages. A response parser must know the method it answers (HEAD has no body): h1_expect(). */
struct h1 *h1_new_request(const struct h1_limits *limits, struct pool *pool) _must_check_;
struct h1 *h1_new_response(const struct h1_limits *limits, struct pool *pool) _must_check_;
struct h1 *h1_free(struct h1 *h);

enum h1_event h1_parse(struct h1 *h, struct slice in, size_t *ret_consumed, struct slice *ret_body);
/* The connection ended: H1_DONE if that ends the body properly (HTTP_BODY_CLOSE), H1_NEED_MORE if
 * nothing was begun, else H1_ERROR. */
enum h1_event h1_eof(struct h1 *h);
void h1_next(struct h1 *h);
void h1_expect(struct h1 *h, bool is_head_request);
const char *h1_error(const struct h1 *h);

/* Valid from H1_HEAD until the pool is cleared. 1xx responses are messages of their own: H1_HEAD
 * then H1_DONE, followed by the final one. */
const struct http_request *h1_request(const struct h1 *h);
struct http_request *h1_request_mut(struct h1 *h); /* the same, for who rewrites it on its way */
bool h1_is_http10(const struct h1 *h);
const struct http_response *h1_response(const struct h1 *h);
/* Trailer fields, valid from H1_DONE; 0 when there were none. */
size_t h1_trailers(const struct h1 *h, const struct http_field **ret);
