/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/stream.h"

#include <openssl/err.h>

/* What an earlier call left behind would be taken for this one's. Mostly there is nothing, and
 * clearing costs more than looking. */
static void forget_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

SSL *stream_new_server(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		return stream_free(ssl);
	SSL_set_accept_state(ssl);
	return ssl;
}

SSL *stream_free(SSL *ssl)
{
	SSL_free(ssl);
	return NULL;
}

int stream_accept(SSL *ssl)
{
	forget_errors();
	if (SSL_accept(ssl) == 1)
		return 0;
	switch (SSL_get_error(ssl, -1)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	default:
		return -EPROTO;
	}
}

int stream_error(const SSL *ssl)
{
	return SSL_get_error(ssl, -1);
}

ssize_t stream_read(SSL *ssl, void *p, size_t n)
{
	size_t got;

	forget_errors();
	if (SSL_read_ex(ssl, p, n, &got) == 1)
		return (ssize_t)got;
	switch (SSL_get_error(ssl, 0)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return -ECONNRESET;
	default:
		/* OpenSSL 3 reports an end without close_notify as a protocol error. */
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			       ? -ECONNRESET
			       : -EPROTO;
	}
}

ssize_t stream_write(SSL *ssl, const void *p, size_t n)
{
	size_t taken;

	forget_errors();
	if (SSL_write_ex(ssl, p, n, &taken) == 1)
		return (ssize_t)taken;
	switch (SSL_get_error(ssl, 0)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	default:
		return -EPIPE;
	}
}

bool stream_wants_write(const SSL *ssl)
{
	return SSL_want_write(ssl);
}

bool stream_has_more(const SSL *ssl)
{
	return SSL_has_pending(ssl);
}

void stream_end(SSL *ssl)
{
	ERR_clear_error();
	/* Before the handshake is done there is nothing to end, and OpenSSL calls it an error. */
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}
