/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/leaf.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#define PEM_MAX	  65536u
#define CHAIN_MAX 8

int tls_leaf_key(EVP_PKEY **ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key) {
		ERR_clear_error();
		return -ENOMEM;
	}
	*ret = key;
	return 0;
}

int tls_leaf_spki(EVP_PKEY *key, unsigned char **ret_der)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);

	if (n <= 0) {
		ERR_clear_error();
		return -ENOMEM;
	}
	*ret_der = der;
	return n;
}

void tls_chain_done(struct tls_chain *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->rest, X509_free);
	*c = (struct tls_chain){ .leaf = NULL };
}

/* Reads certificates until the text ends; anything else in it is an error. */
static int read_certificates(BIO *bio, struct tls_chain *c)
{
	int n = 0;

	c->rest = sk_X509_new_null();
	if (!c->rest)
		return -ENOMEM;
	for (X509 *x; (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) {
		if (n == 0) {
			c->leaf = x;
			continue;
		}
		/* A root tells the client nothing: it has it, or does not trust it. */
		if (n >= CHAIN_MAX || (X509_get_extension_flags(x) & EXFLAG_SS)) {
			X509_free(x);
			continue;
		}
		if (!sk_X509_push(c->rest, x)) {
			X509_free(x);
			return -ENOMEM;
		}
	}
	return n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? 0 : -EINVAL;
}

static int check_leaf(struct tls_chain *c, struct slice host, EVP_PKEY *key)
{
	struct tm tm;
	time_t end;

	if (X509_check_private_key(c->leaf, key) != 1)
		return -ESTALE;
	if (X509_check_host(c->leaf, host.p, host.n, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) !=
	    1)
		return -EINVAL;
	if (!ASN1_TIME_to_tm(X509_get0_notAfter(c->leaf), &tm))
		return -EINVAL;
	end = timegm(&tm);
	c->not_after_us = end > 0 ? (uint64_t)end * 1000000u : 0;
	return 0;
}

int tls_chain_parse(struct slice pem, struct slice host, EVP_PKEY *key, struct tls_chain *ret)
{
	struct tls_chain c = { .leaf = NULL };
	BIO *bio;
	int r;

	/* A leading dot would mean "any subdomain" to X509_check_host(). */
	if (pem.n == 0 || pem.n > PEM_MAX || host.n == 0 || host.p[0] == '.')
		return -EINVAL;
	ERR_clear_error();
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	r = bio ? read_certificates(bio, &c) : -ENOMEM;
	if (r == 0)
		r = check_leaf(&c, host, key);
	BIO_free(bio);
	ERR_clear_error();
	if (r < 0) {
		tls_chain_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}
