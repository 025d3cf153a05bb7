/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS towards the client: one SSL_CTX per governed name with a leaf certificate from the vault,
 * cached until shortly before it expires, minted once however many wait (single flight). TLS 1.2
 * and 1.3, ALPN as configured, session tickets shared by all workers. The leaf's private key
 * (P-256) is made in this process and never leaves it; the vault signs its public half.
 *
 * For whoever drives an SSL of these contexts: OpenSSL reads ahead, so after SSL_read() further
 * bytes may wait in the SSL though the socket is not readable: ask SSL_has_pending(). Buffers are
 * given back while it is idle. OpenSSL writes with write(2): ignore SIGPIPE.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/slice.h"
#include "event/loop.h"

struct tls_server;
struct tls_wait;

/* Sends a mint request: host and SubjectPublicKeyInfo DER; answered later (never from within)
 * through tls_server_minted(). No answer within 10 s counts as refused. */
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
/* Waiters are dropped without a call. Every SSL of its contexts must be gone before. */
struct tls_server *tls_server_free(struct tls_server *s);
/* host in lower case. Calls back at once when cached (returns NULL), else later; cancel with
 * tls_server_cancel(). */
struct tls_wait *tls_server_get(struct tls_server *s, struct slice host, tls_ready_fn fn,
				void *ctx);
void tls_server_cancel(struct tls_wait *w);
/* The name is known: it has a leaf, or had one, or is being asked for. */
bool tls_server_has(const struct tls_server *s, struct slice host);
/* The vault's answer: PEM chain (leaf first), empty = refused. An answer that fits no question is
 * ignored. */
void tls_server_minted(struct tls_server *s, struct slice host, struct slice chain_pem);
/* Ticket keys as struct eg_tickets; older tickets of `previous` are accepted and renewed. */
int tls_server_set_tickets(struct tls_server *s, const void *key80,
			   const void *previous80) _must_check_;
/* The CA changed: forget every leaf, ask again for those being minted. */
void tls_server_flush(struct tls_server *s);

/* What a client's handshake failure means: true when it does not trust our CA (alerts unknown_ca,
 * bad_certificate, certificate_unknown, or a close right after our certificate). Node looks at the
 * certificate only after the handshake, then closes: call this too when a connection ends before
 * the first request byte. Reads and clears the OpenSSL error queue. `text` gets OpenSSL's words. */
bool tls_is_distrust(SSL *ssl, int ssl_error, char *text, size_t size);
