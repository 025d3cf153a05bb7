/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Non-blocking bytes over an established SSL, for the proxy, which so needs no OpenSSL of its own:
 * the client's side and the provider's alike. It never waits, never logs, never keeps a buffer
 * while a connection rests.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* A server's side of fd, which stays the caller's. NULL: out of memory. */
SSL *stream_new_server(SSL_CTX *ctx, int fd) _must_check_;
SSL *stream_free(SSL *ssl);

/* 0: done. -EAGAIN: see stream_wants_write(). -EPROTO: failed; ask tls_is_distrust() (tls/server.h)
 * with stream_error() why, before anything else is done with OpenSSL. */
int stream_accept(SSL *ssl) _must_check_;

/* Bytes read; 0: the peer ended properly (close_notify). -EAGAIN; -ECONNRESET: it ended without
 * saying so; -EPROTO. */
ssize_t stream_read(SSL *ssl, void *p, size_t n) _must_check_;
/* Bytes taken, maybe fewer than n > 0. -EAGAIN: nothing was; the same bytes must be offered again,
 * though they may stand elsewhere. -EPIPE. */
ssize_t stream_write(SSL *ssl, const void *p, size_t n) _must_check_;
/* After -EAGAIN: true when it waits for room to write, false for bytes to read. */
bool stream_wants_write(const SSL *ssl);
/* What a failed read or accept means to SSL_get_error(), for tls_is_distrust(). */
int stream_error(const SSL *ssl);
/* Bytes have been received that no read has returned: poll would not tell. */
bool stream_has_more(const SSL *ssl);
/* Sends close_notify if there is room for it. */
void stream_end(SSL *ssl);
