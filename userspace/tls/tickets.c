/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define NAME_SIZE 16
#define HMAC_SIZE 32

/* What OpenSSL's callback returns. */
enum { TICKET_ERROR = -1, TICKET_UNKNOWN = 0, TICKET_OK = 1, TICKET_RENEW = 2 };

static int fill(struct tls_tickets *t, const void *current, const void *previous)
{
	int r;

	secret_clear(&t->keys);
	r = secret_append(&t->keys, current, TLS_TICKET_KEY_SIZE);
	if (r < 0 || !previous)
		return r;
	return secret_append(&t->keys, previous, TLS_TICKET_KEY_SIZE);
}

int tls_tickets_init(struct tls_tickets *t)
{
	unsigned char key[TLS_TICKET_KEY_SIZE];
	int r;

	r = secret_new(sizeof(key) * 2, &t->keys);
	if (r < 0)
		return r;
	r = RAND_bytes(key, sizeof(key)) == 1 ? fill(t, key, NULL) : -ENOMEM;
	explicit_bzero(key, sizeof(key));
	if (r < 0)
		secret_free(&t->keys);
	return r;
}

void tls_tickets_done(struct tls_tickets *t)
{
	secret_free(&t->keys);
}

int tls_tickets_set(struct tls_tickets *t, const void *current, const void *previous)
{
	return fill(t, current, previous);
}

static int use(const unsigned char *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
	       EVP_MAC_CTX *mac, int encrypt)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				OSSL_PARAM_construct_end() };

	if (!EVP_MAC_init(mac, key + NAME_SIZE, HMAC_SIZE, params) ||
	    !EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + NAME_SIZE + HMAC_SIZE, iv,
			       encrypt))
		return TICKET_ERROR;
	return TICKET_OK;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int encrypt)
{
	const struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const unsigned char *keys = (const unsigned char *)t->keys.p;

	if (encrypt) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return TICKET_ERROR;
		memcpy(name, keys, NAME_SIZE);
		return use(keys, iv, cipher, mac, 1);
	}
	/* Names are no secret: they travel in clear. */
	for (size_t at = 0; at < t->keys.n; at += TLS_TICKET_KEY_SIZE) {
		if (memcmp(name, keys + at, NAME_SIZE) != 0)
			continue;
		if (use(keys + at, iv, cipher, mac, 0) != TICKET_OK)
			return TICKET_ERROR;
		/* In TLS 1.3 a ticket should be used once, so each connection brings the next. */
		return at == 0 && SSL_version(ssl) != TLS1_3_VERSION ? TICKET_OK : TICKET_RENEW;
	}
	return TICKET_UNKNOWN;
}

int tls_tickets_attach(struct tls_tickets *t, SSL_CTX *ctx)
{
	if (!SSL_CTX_set_app_data(ctx, t) || !SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket))
		return -EINVAL;
	return 0;
}
