/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

struct digest {
	EVP_MD_CTX *ctx;
};

int digest_new(struct digest **ret)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
		(void)digest_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

struct digest *digest_free(struct digest *d)
{
	if (d)
		EVP_MD_CTX_free(d->ctx);
	free(d);
	return NULL;
}

int digest_update(struct digest *d, struct slice s)
{
	return EVP_DigestUpdate(d->ctx, s.p, s.n) == 1 ? 0 : -EIO;
}

int digest_final(struct digest *d, uint8_t ret[DIGEST_SIZE])
{
	unsigned n;

	if (EVP_DigestFinal_ex(d->ctx, ret, &n) != 1 ||
	    EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1)
		return -EIO;
	return 0;
}

int digest_hmac(struct slice key, struct slice s, uint8_t ret[DIGEST_SIZE])
{
	unsigned n = DIGEST_SIZE;

	return HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)s.p, s.n, ret, &n)
		       ? 0
		       : -EIO;
}

void digest_hex(const uint8_t *p, size_t n, char *to)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = hex[p[i] >> 4];
		to[2 * i + 1] = hex[p[i] & 15];
	}
	to[2 * n] = '\0';
}
