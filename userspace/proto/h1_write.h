/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes HTTP/1.1 heads and chunk framing into the caller's bytes. Hop-by-hop fields of the message
 * (Connection and those it names, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade,
 * Expect) and its Content-Length are left out; framing is written anew. A CR, LF or NUL in anything
 * is -EINVAL: nothing can be injected. -EMSGSIZE: no room.
 */
#pragma once

#include <sys/types.h>

#include "base/cleanup.h"
#include "proto/http.h"

#define H1_CHUNK_HEAD_MAX 20 /* hexadecimal size and CR LF */

struct h1_request_opts {
	const struct http_field *more; /* appended after the message's own fields */
	size_t n_more;
	struct slice
		host; /* written as the Host field, first; the message's own Host is left out */
	enum http_body body; /* LENGTH: content_length; CHUNKED; NONE: neither field */
	uint64_t content_length;
};

/* Request line `method target HTTP/1.1` and fields. Bytes written, or -errno. */
ssize_t h1_write_request(char *to, size_t size, const struct http_request *r,
			 const struct h1_request_opts *o) _must_check_;

struct h1_response_opts {
	const struct http_field *more;
	size_t n_more;
	enum http_body body; /* how the body will be framed: NONE, LENGTH (r->content_length),
				CHUNKED, CLOSE */
	bool is_head; /* answers HEAD (also 304): r's content_length is still said, no body follows
		       */
	bool close; /* writes Connection: close */
};

/* Status line and fields. 1xx and 204 get no framing field at all. */
ssize_t h1_write_response(char *to, size_t size, const struct http_response *r,
			  const struct h1_response_opts *o) _must_check_;

/* "SIZE CR LF" for a chunk of n > 0 bytes; the data and CR LF follow. Returns its length. */
size_t h1_chunk_head(char to[H1_CHUNK_HEAD_MAX], size_t n);
/* The last chunk, trailers (forbidden ones left out) and the final CR LF. */
ssize_t h1_chunk_end(char *to, size_t size, const struct http_field *trailers,
		     size_t n_trailers) _must_check_;
