/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange asks of whatever carries the client's side of it: an HTTP/1.1 connection
 * (session.c), later a stream of HTTP/2. The carrier frames; the exchange never knows how.
 *
 * The carrier calls exchange_*(); the exchange calls these. None of these calls back into the
 * exchange, so either side may call the other anywhere.
 */
#pragma once

#include "proto/http.h"

struct downstream;

struct downstream_ops {
	/* A 1xx response; left out where the client cannot take one. */
	int (*interim)(struct downstream *d, const struct http_response *r);
	/* The final head, `more` after its own fields. close: nothing may follow this answer. */
	int (*head)(struct downstream *d, const struct http_response *r,
		    const struct http_field *more, size_t n_more, bool close);
	int (*body)(struct downstream *d, struct slice piece);
	int (*end)(struct downstream *d, const struct http_field *trailers, size_t n);
	/* Sends what is waiting as far as there is room. */
	void (*flush)(struct downstream *d);
	/* The same at the end of the loop's turn, so that answers that came together wake their
	 * readers once. */
	void (*soon)(struct downstream *d);
	/* Bytes that still wait; at or over the bound the exchange must not add more. */
	size_t (*waiting)(const struct downstream *d);
	/* Body bytes are wanted (again): the carrier delivers those it holds from the loop. */
	void (*resume)(struct downstream *d);
	/* Time in which the exchange must have moved on, else exchange_late(); 0: for ever. */
	void (*deadline)(struct downstream *d, uint64_t ms);
	/* The answer breaks off here: the client must be able to see it. Ends the connection, or
	 * stream. */
	void (*cut)(struct downstream *d);
	/* The exchange is over, its answer sent; it may be used again. */
	void (*over)(struct downstream *d);
};

struct downstream {
	const struct downstream_ops *ops;
};
