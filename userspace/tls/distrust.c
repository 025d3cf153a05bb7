/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells "the client does not trust our CA" from every other way in which a handshake ends, so that
 * an operator hears which process lacks which setting.
 */
#include <openssl/err.h>
#include <stdio.h>

#include "tls/server.h"

static bool is_distrust_alert(unsigned long error)
{
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return false;
	switch (ERR_GET_REASON(error)) {
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
		return true;
	}
	return false;
}

/* The peer went without a word: end of file, reset, or a bare close_notify. */
static bool is_close(int ssl_error, unsigned long error)
{
	switch (ssl_error) {
	case SSL_ERROR_ZERO_RETURN:
	case SSL_ERROR_SYSCALL:
		return true;
	case SSL_ERROR_SSL:
		return ERR_GET_LIB(error) == ERR_LIB_SSL &&
		       ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	}
	return false;
}

/* Our certificate is out, and nothing of the client's has come since; or (Node checks only then)
 * the handshake is complete. A resumed session shows no certificate. */
static bool has_shown_certificate(SSL *ssl)
{
	if (SSL_session_reused(ssl))
		return false;
	switch (SSL_get_state(ssl)) {
	case TLS_ST_SW_SRVR_DONE: /* 1.2 */
	case TLS_ST_SW_FINISHED: /* 1.3 */
	case TLS_ST_EARLY_DATA: /* 1.3: where OpenSSL waits for the client's Finished */
	case TLS_ST_OK:
		return true;
	default:
		return false;
	}
}

static void describe(unsigned long error, int ssl_error, char *text, size_t size)
{
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	if (!reason)
		reason = ssl_error == SSL_ERROR_ZERO_RETURN || ssl_error == SSL_ERROR_SYSCALL
				 ? "the client closed the connection"
				 : "unknown TLS error";
	(void)snprintf(text, size, "%s", reason);
}

bool tls_is_distrust(SSL *ssl, int ssl_error, char *text, size_t size)
{
	unsigned long error = ERR_peek_error();
	bool distrust;

	describe(error, ssl_error, text, size);
	distrust = is_distrust_alert(error) ||
		   (is_close(ssl_error, error) && has_shown_certificate(ssl));
	ERR_clear_error();
	return distrust;
}
