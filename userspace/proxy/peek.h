/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a ClientHello without taking it off the socket, so that whoever comes next, OpenSSL or
 * splice(2), finds the connection untouched. While the hello is incomplete the socket becomes
 * readable only when what is missing can have come: no busy loop, no buffer per connection.
 */
#pragma once

#include <stdbool.h>

#include "egret/reasons.h"
#include "proto/hello.h"

enum peek_result { PEEK_DONE, PEEK_AGAIN, PEEK_FAILED };

/* wire and scratch: HELLO_WIRE_MAX bytes each, working memory. FAILED: *ret_reason says why;
 * client_gone when it just went. */
enum peek_result peek_hello(int fd, char *wire, char *scratch, struct hello *ret,
			    enum eg_reason *ret_reason);
/* No hello is waited for any more: whoever comes next hears of a single byte. */
void peek_forget(int fd);
/* Urgent data (RFC 6093) is there: reads end before it, while what is behind it keeps the socket
 * readable. No protocol over TLS has any. */
bool peek_is_urgent(int fd);
