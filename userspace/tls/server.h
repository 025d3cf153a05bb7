/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS towards the client: one SSL_CTX per governed name with a leaf certificate from the vault,
 * cached until shortly before it expires, minted once however many wait (single flight). TLS 1.2
 * and 1.3, ALPN as configured, session tickets shared by all workers. The leaf's private key (P-256)
 * is made in this process and never leaves it; the vault signs its public half.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/slice.h"
#include "event/loop.h"

struct tls_server;
struct tls_wait;

/* Sends a mint request: host and SubjectPublicKeyInfo DER; answered through tls_server_minted(). */
typedef void (*tls_mint_fn)(void *ctx, struct slice host, struct slice spki_der);
/* ctx is NULL when no certificate can be had. */
typedef void (*tls_ready_fn)(void *ctx, SSL_CTX *ssl_ctx);

struct tls_server_opts {
	tls_mint_fn mint;
	void *ctx;
	size_t cache_max; /* names; default 1024 */
};

int tls_server_new(struct loop *l, const struct tls_server_opts *opts,
		   struct tls_server **ret) _must_check_;
struct tls_server *tls_server_free(struct tls_server *s);
/* Calls back at once when cached (returns NULL), else later; cancel with tls_server_cancel(). */
struct tls_wait *tls_server_get(struct tls_server *s, struct slice host, tls_ready_fn fn, void *ctx);
void tls_server_cancel(struct tls_wait *w);
/* The vault's answer: PEM chain (leaf first), empty = refused. */
void tls_server_minted(struct tls_server *s, struct slice host, struct slice chain_pem);
/* Ticket keys as struct eg_tickets; older tickets of `previous` are accepted and renewed. */
int tls_server_set_tickets(struct tls_server *s, const void *key80, const void *previous80) _must_check_;
/* The CA changed: forget every leaf. */
void tls_server_flush(struct tls_server *s);

/* What a client's handshake failure means: true when it does not trust our CA (alerts unknown_ca,
 * bad_certificate, certificate_unknown, or a close right after our certificate). Reads and clears
 * the OpenSSL error queue. `text` gets OpenSSL's words. */
bool tls_is_distrust(SSL *ssl, int ssl_error, char *text, size_t size);
