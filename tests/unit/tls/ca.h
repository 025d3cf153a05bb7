/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate authority for tests: signs leaves for a name, good or flawed, through OpenSSL's
 * API. Aborts when OpenSSL fails.
 */
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"

struct test_ca {
	EVP_PKEY *key;
	X509 *cert;
};

struct test_leaf {
	const char *san; /* "DNS:api.test", or NULL: no subjectAltName */
	long from_s, to_s; /* from now; to_s 0: an hour */
	const char *cn; /* NULL: "leaf" */
};

#define TEST_CA_MUST(x)                                                                            \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			ERR_print_errors_fp(stderr);                                               \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline void test_ca_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	TEST_CA_MUST(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static inline X509 *test_ca_certificate(EVP_PKEY *key, const char *cn, long from_s, long to_s)
{
	X509 *x = X509_new();
	unsigned char serial[8];
	BIGNUM *bn;

	TEST_CA_MUST(x && RAND_bytes(serial, sizeof(serial)) == 1);
	serial[0] &= 0x7f;
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	TEST_CA_MUST(bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)));
	BN_free(bn);
	TEST_CA_MUST(X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, key) &&
		     X509_gmtime_adj(X509_getm_notBefore(x), from_s) &&
		     X509_gmtime_adj(X509_getm_notAfter(x), to_s) &&
		     X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
						(const unsigned char *)cn, -1, -1, 0));
	return x;
}

static inline void test_ca_new(struct test_ca *ca, const char *cn)
{
	ca->key = EVP_EC_gen("P-256");
	TEST_CA_MUST(ca->key);
	ca->cert = test_ca_certificate(ca->key, cn, -86400, 86400);
	TEST_CA_MUST(X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)));
	test_ca_extend(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
	test_ca_extend(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign");
	TEST_CA_MUST(X509_sign(ca->cert, ca->key, EVP_sha256()));
}

static inline void test_ca_free(struct test_ca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
}

static inline X509 *test_ca_sign(const struct test_ca *ca, EVP_PKEY *key,
				 const struct test_leaf *leaf)
{
	X509 *x = test_ca_certificate(key, leaf->cn ? leaf->cn : "leaf",
				      leaf->from_s ? leaf->from_s : -3600,
				      leaf->to_s ? leaf->to_s : 3600);

	TEST_CA_MUST(X509_set_issuer_name(x, X509_get_subject_name(ca->cert)));
	if (leaf->san)
		test_ca_extend(x, ca->cert, NID_subject_alt_name, leaf->san);
	TEST_CA_MUST(X509_sign(x, ca->key, EVP_sha256()));
	return x;
}

/* Certificates as PEM, in the order given, to be freed with free(). */
static inline struct slice test_ca_pem(X509 *first, X509 *second)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p, *copy;
	long n;

	TEST_CA_MUST(bio && PEM_write_bio_X509(bio, first));
	if (second)
		TEST_CA_MUST(PEM_write_bio_X509(bio, second));
	n = BIO_get_mem_data(bio, &p);
	copy = malloc((size_t)n);
	TEST_CA_MUST(copy);
	memcpy(copy, p, (size_t)n);
	BIO_free(bio);
	return slice_of(copy, (size_t)n);
}

/* What the vault does: a chain for a public key it is given. */
static inline struct slice test_ca_mint(const struct test_ca *ca, struct slice spki,
					const struct test_leaf *leaf)
{
	const unsigned char *der = (const unsigned char *)spki.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &der, (long)spki.n);
	struct slice pem;
	X509 *x;

	TEST_CA_MUST(key);
	x = test_ca_sign(ca, key, leaf);
	pem = test_ca_pem(x, ca->cert);
	X509_free(x);
	EVP_PKEY_free(key);
	return pem;
}
