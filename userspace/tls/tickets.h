/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of stateless session tickets (RFC 5077, RFC 8446 4.6.1), shared by all workers: a ticket
 * that one worker issued resumes at another. A ticket under the previous keys is accepted and
 * renewed, any other means a full handshake. Called by server.c; the callback by OpenSSL.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/secret.h"

#define TLS_TICKET_KEY_SIZE 80 /* name 16, HMAC-SHA-256 32, AES-256 32: struct eg_tickets */

struct tls_tickets {
	struct secret keys; /* current, then previous */
};

/* Starts with random keys, so that tickets work before the shared ones arrive. -ENOMEM. */
int tls_tickets_init(struct tls_tickets *t) _must_check_;
void tls_tickets_done(struct tls_tickets *t);
/* previous may be NULL: none is accepted. */
int tls_tickets_set(struct tls_tickets *t, const void *current, const void *previous) _must_check_;
/* Makes ctx use these keys; t must outlive every SSL of ctx. 0, -EINVAL. */
int tls_tickets_attach(struct tls_tickets *t, SSL_CTX *ctx) _must_check_;
