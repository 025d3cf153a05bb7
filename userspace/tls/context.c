/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/digest.h"

/* AES-128 first: the cheapest here, and the server's order decides. */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS_12                                                                                 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                             \
	"ECDHE-ECDSA-CHACHA20-POLY1305"
#define TICKET_LIFE_S 3600

/* In order of preference. `curl -0` offers the second alone; HTTP/1.0 is served as it comes. */
static const unsigned char served[] = "\x08http/1.1\x08http/1.0";

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
		   const unsigned char *in, unsigned in_n, void *arg)
{
	unsigned char *picked;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&picked, out_n, served, sizeof(served) - 1, in, in_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol */
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

/* The context was chosen from a ClientHello read before; this is the same one, read by OpenSSL.
 * Two readings that differ would decide for one name and speak for another. The name comes from the
 * certificate because the context may outlive its cache entry. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	X509 *leaf = SSL_get_certificate(ssl);

	(void)arg;
	/* A leading dot would mean "any subdomain" to X509_check_host(). */
	if (name && name[0] != '.' && leaf &&
	    X509_check_host(leaf, name, 0,
			    X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
			    NULL) == 1)
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_protocol(SSL_CTX *ctx)
{
	int groups[] = { NID_X25519, NID_X9_62_prime256v1, NID_secp384r1 };

	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Buffers are given back while a connection is idle; one read() takes all that is there. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
	       SSL_CTX_set_ciphersuites(ctx, SUITES_13) &&
	       SSL_CTX_set_cipher_list(ctx, CIPHERS_12) &&
	       SSL_CTX_set1_groups(ctx, groups, ARRAY_SIZE(groups)) &&
	       SSL_CTX_set_max_early_data(ctx, 0);
}

static bool set_callbacks(SSL_CTX *ctx)
{
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
}

/* No session is kept here: the ticket is the state. The id context binds it to the name. */
static bool set_sessions(SSL_CTX *ctx, struct slice host, struct tls_tickets *tickets)
{
	unsigned char id[DIGEST_SIZE];

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TICKET_LIFE_S);
	return digest_hmac(SLICE("egret tls session"), host, id) == 0 &&
	       SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) &&
	       SSL_CTX_set_num_tickets(ctx, 1) && tls_tickets_attach(tickets, ctx) == 0;
}

static bool set_identity(SSL_CTX *ctx, const struct tls_chain *chain, EVP_PKEY *key)
{
	return SSL_CTX_use_certificate(ctx, chain->leaf) && SSL_CTX_use_PrivateKey(ctx, key) &&
	       SSL_CTX_set1_chain(ctx, chain->rest);
}

int tls_context_new(struct slice host, const struct tls_chain *chain, EVP_PKEY *key,
		    struct tls_tickets *tickets, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx) {
		ERR_clear_error();
		return -ENOMEM;
	}
	if (!set_protocol(ctx) || !set_callbacks(ctx) || !set_sessions(ctx, host, tickets) ||
	    !set_identity(ctx, chain, key)) {
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return -EINVAL;
	}
	*ret = ctx;
	return 0;
}
