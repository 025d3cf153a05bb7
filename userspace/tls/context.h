/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SSL_CTX of one governed name: versions, ciphers, ALPN, the check that the client asked for
 * this very name, tickets that resume under no other. Called by server.c.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "base/slice.h"
#include "tls/leaf.h"
#include "tls/tickets.h"

/* Keeps references of key and certificates, not the caller's. tickets must outlive the SSLs.
 * 0, -ENOMEM, -EINVAL. Leaves the OpenSSL error queue empty. */
int tls_context_new(struct slice host, const struct tls_chain *chain, EVP_PKEY *key,
		    struct tls_tickets *tickets, SSL_CTX **ret) _must_check_;
