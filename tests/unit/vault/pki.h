/* SPDX-License-Identifier: Apache-2.0 */
/* For the vault's tests: keys, certificates, and OpenSSL's own verification as a client does it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/slice.h"

#define NOW_US 1790000000000000ull /* some day in 2026 */
#define DAY_US (86400ull * 1000000)

static inline struct slice spki_of(EVP_PKEY *key, unsigned char *der, size_t size)
{
	unsigned char *p = der;
	int n = i2d_PUBKEY(key, NULL);

	assert_true(n > 0 && (size_t)n <= size);
	assert_int_equal(i2d_PUBKEY(key, &p), n);
	return slice_of(der, (size_t)n);
}

static inline X509 *read_pem(struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return cert;
}

/* X509_V_OK or what a TLS client finds wrong with leaf for host, trusting `roots` only. */
static inline int verify(X509 *const *roots, size_t n_roots, X509 *leaf, const char *host,
			 uint64_t at_us)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int r;

	for (size_t i = 0; i < n_roots; i++)
		assert_int_equal(X509_STORE_add_cert(store, roots[i]), 1);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, NULL), 1);
	assert_int_equal(X509_STORE_CTX_set_default(ctx, "ssl_server"), 1);
	param = X509_STORE_CTX_get0_param(ctx);
	assert_int_equal(X509_VERIFY_PARAM_set1_host(param, host, 0), 1);
	X509_VERIFY_PARAM_set_time(param, (time_t)(at_us / 1000000));
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	r = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return r;
}

static inline int temp_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}
