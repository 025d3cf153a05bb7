/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 towards the client, on an established TLS connection: parses requests, one exchange at a
 * time, frames answers; keep-alive and pipelining in order. Implements downstream.h. While it rests
 * it holds no buffer.
 */
#pragma once

#include "egret/reasons.h"

struct conn;
struct session;

/* NULL: out of memory. The connection is open and outlives it. */
struct session *session_new(struct conn *c);
struct session *session_free(struct session *s); /* the exchange is aborted; NULL-safe */
void session_on_ready(struct session *s, int events);
void session_on_late(struct session *s);
/* Aborts what is in flight, for that reason. */
void session_abort(struct session *s, enum eg_reason reason);
