/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request on its way to the provider. The head holds the credential, so it exists only in
 * locked memory and only while it is being written: it is made anew for each attempt and zeroed
 * after. A short body goes with it in one write. A body that was inspected is kept until the answer
 * begins, so that the request can be sent again if the provider has not taken any of it.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "proto/http.h"

struct exchange;

struct egress {
	struct http_field *more; /* ours, the last one waits for the credential */
	size_t n_more;
	size_t first; /* bytes of the head and what goes with it that have been taken */
	size_t body_at; /* inspected body: the next byte to send */
	uint64_t sent; /* bytes TLS has taken on this connection */
	bool head_sent, failed;
	bool blocked; /* TLS waits for room */
	bool ended; /* the body's last byte is in x->body, or gone */
	bool consumed; /* bytes of a body that is not kept have gone */
};

/* Takes out of the request's fields what we set ourselves. After the decision; -ENOMEM. */
int egress_prepare(struct exchange *x) _must_check_;
/* The same for other fields of it (trailers): how many are left. */
size_t egress_strip(const struct exchange *x, struct http_field *f, size_t n) _must_check_;
/* A new connection: from the beginning. */
void egress_restart(struct exchange *x);
/* Sends what it can. 0: all there is for now; -EAGAIN: no room; -EPIPE: the connection takes no
 * more (an answer may still come); -EMSGSIZE: the head is too large. */
int egress_run(struct exchange *x) _must_check_;
bool egress_is_done(const struct exchange *x);
/* A body that streams: queue a piece, and its end. -errno: no memory. */
int egress_body(struct exchange *x, struct slice piece) _must_check_;
int egress_end(struct exchange *x, const struct http_field *trailers, size_t n) _must_check_;
/* The queue is at its bound. */
bool egress_is_full(const struct exchange *x);
/* After a connection died without a byte of answer: none of the request can have been acted on, and
 * all of it is still here. */
bool egress_may_retry(const struct exchange *x);
