/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/trust.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

/* AES-128 first: the cheapest; the provider chooses. */
#define SUITES_13  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"

static int read_certificates(X509_STORE *store, struct slice pem)
{
	BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	bool added = true;
	unsigned n = 0;
	X509 *x;

	if (!bio)
		return -ENOMEM;
	while (added && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		added = X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
		n++;
	}
	BIO_free(bio);
	if (!added)
		return -ENOMEM;
	return n && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? 0 : -EINVAL;
}

static bool set_protocol(SSL_CTX *ctx)
{
	static const unsigned char http_1_1[] = "\x08http/1.1";
	int groups[] = { NID_X25519, NID_X9_62_prime256v1, NID_secp384r1 };

	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	/* Buffers are given back while a connection is idle; one read() takes all that is there. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
	       SSL_CTX_set_ciphersuites(ctx, SUITES_13) &&
	       SSL_CTX_set_cipher_list(ctx, CIPHERS_12) &&
	       SSL_CTX_set1_groups(ctx, groups, ARRAY_SIZE(groups)) &&
	       SSL_CTX_set_alpn_protos(ctx, http_1_1, sizeof(http_1_1) - 1) == 0;
}

int upstream_trust_new(struct slice pem, int (*on_session)(SSL *, SSL_SESSION *), SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int r = -ENOMEM;

	ERR_clear_error();
	if (ctx)
		r = set_protocol(ctx) ? read_certificates(SSL_CTX_get_cert_store(ctx), pem)
				      : -EINVAL;
	ERR_clear_error();
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* Any certificate of the bundle ends a chain, also an intermediate that was pinned. */
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	/* Sessions live with their key, never in a cache that a look-up by name could reach. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	*ret = ctx;
	return 0;
}
