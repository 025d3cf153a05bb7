/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/handshake.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

bool handshake_is_literal(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];

	if (host.n >= sizeof(text))
		return false;
	(void)slice_copy(host, text, sizeof(text));
	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

int handshake_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct conn *c = SSL_get_app_data(ssl);

	upstream_key_set_session(c->pub.key, session);
	return 1; /* the reference is ours */
}

/* Why the chain or the name was not accepted, and what to do. */
static void describe_untrusted(const struct conn *c, long verify, char *to, size_t size)
{
	const char *host = c->pub.key->text;
	const char *what = X509_verify_cert_error_string(verify);

	switch (verify) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		(void)snprintf(to, size, "the certificate is not for %s; is its DNS answer right?",
			       host);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		(void)snprintf(to, size, "%s: %s; is this host's clock right?", host, what);
		return;
	default:
		(void)snprintf(
			to, size,
			"%s: %s; if its certificate authority is to be trusted, add it to the "
			"system store or the configured ones",
			host, what);
	}
}

static void describe_failed(const struct conn *c, int ssl_error, int saved_errno, char *to,
			    size_t size)
{
	const char *host = c->pub.key->text;
	unsigned long error = ERR_peek_error();
	const char *what = error ? ERR_reason_error_string(error) : NULL;

	if (ssl_error == SSL_ERROR_SYSCALL && saved_errno)
		what = strerror(saved_errno);
	(void)snprintf(to, size, "%s: TLS handshake failed: %s", host,
		       what ? what : "the connection was closed");
}

static void finish(struct conn *c, enum eg_reason reason, const char *detail)
{
	handshake_fn fn = c->on_handshake;

	io_want(&c->pub.io, 0);
	fn(c, reason, detail);
}

static void fail(struct conn *c, int ssl_error, int saved_errno)
{
	long verify = SSL_get_verify_result(c->pub.ssl);
	bool untrusted = ssl_error == SSL_ERROR_SSL && verify != X509_V_OK;
	char detail[UPSTREAM_DETAIL];

	if (untrusted)
		describe_untrusted(c, verify, detail, sizeof(detail));
	else
		describe_failed(c, ssl_error, saved_errno, detail, sizeof(detail));
	ERR_clear_error();
	/* Should the session be what it stumbled over, the next one begins anew. */
	upstream_key_set_session(c->pub.key, NULL);
	finish(c, untrusted ? EG_REASON_upstream_untrusted : EG_REASON_upstream_unreachable,
	       detail);
}

static void on_ready(struct io *io, int events)
{
	struct conn *c = conn_of(container_of(io, struct upstream_conn, io));
	int r, error, saved_errno;

	(void)events;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(c->pub.ssl);
	saved_errno = errno;
	if (r == 1) {
		finish(c, EG_REASON_allowed, NULL);
		return;
	}
	error = SSL_get_error(c->pub.ssl, r);
	if (error == SSL_ERROR_WANT_READ)
		io_want(&c->pub.io, IO_READ);
	else if (error == SSL_ERROR_WANT_WRITE)
		io_want(&c->pub.io, IO_WRITE);
	else
		fail(c, error, saved_errno);
}

static bool prepare(struct conn *c, SSL *ssl)
{
	struct upstream_key *key = c->pub.key;

	if (!SSL_set_app_data(ssl, c) || !SSL_set_fd(ssl, c->pub.fd) ||
	    !SSL_set_tlsext_host_name(ssl, key->text) || !SSL_set1_host(ssl, key->text))
		return false;
	/* Only subjectAltName counts, and a wildcard only as a whole label. */
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	SSL_set_connect_state(ssl);
	if (key->session && SSL_SESSION_is_resumable(key->session))
		return SSL_set_session(ssl, key->session);
	return true;
}

int handshake_start(struct conn *c, handshake_fn fn)
{
	SSL *ssl = SSL_new(c->upstream->trust);

	if (!ssl || !prepare(c, ssl)) {
		SSL_free(ssl);
		ERR_clear_error();
		return -ENOMEM;
	}
	c->pub.ssl = ssl;
	c->on_handshake = fn;
	/* The socket is writable: the ClientHello goes out in this turn of the loop. */
	io_start(&c->pub.io, c->upstream->loop, c->pub.fd, IO_WRITE, on_ready);
	return 0;
}
