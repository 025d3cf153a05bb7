/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS handshake with a provider: SNI, the name verified, a session of the same key resumed, and
 * words for what can go wrong. Called by call.c, which limits the time.
 */
#pragma once

#include "upstream/state.h"

/* IP literals have no SNI and no name to verify; they are refused before anything is dialled. */
bool handshake_is_literal(struct slice host);
/* fn finds its context in c->pub.owner. -ENOMEM: fn does not run. Stopped by conn_free(). */
int handshake_start(struct conn *c, handshake_fn fn) _must_check_;
/* For upstream_trust_new(). */
int handshake_on_session(SSL *ssl, SSL_SESSION *session);
