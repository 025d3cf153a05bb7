/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allowed request's connection to the provider: got, watched, given up. What goes out over it is
 * egress.c's, what comes back relay.c's.
 */
#pragma once

#include <stddef.h>

struct exchange;

/* Gets a connection, from the pool or new; the exchange goes on from there. */
void forward_begin(struct exchange *x);
/* The connection died before it took the request: once more, on a new one. */
void forward_retry(struct exchange *x);
/* Lets go of the connection, or of waiting for one. */
void forward_drop(struct exchange *x);
/* Sends what there is to send. May end the exchange. */
void forward_push(struct exchange *x);
/* Waits for what the relay can go on with. */
void forward_watch(struct exchange *x);
/* Goes on with the relay after other connections had their turn. */
void forward_yield(struct exchange *x);
/* Time for the next thing to happen: the client to send, or the provider to answer. */
void forward_deadline(struct exchange *x);
/* The body is wanted from now on: it must come at a least rate, however small its pieces. */
void forward_expect_body(struct exchange *x);
/* n bytes of it have come. */
void forward_body_came(struct exchange *x, size_t n);
