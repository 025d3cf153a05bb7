/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/mint.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define CN_MAX 64u /* ub-common-name, RFC 5280 A.1 */

/* RFC 5480: SEQUENCE { { ecPublicKey, prime256v1 }, BIT STRING { uncompressed point } }. The only
 * encoding of such a key that is taken, so OpenSSL never sees another. */
static const unsigned char p256_prefix[] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
	0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
};
#define P256_SIZE (sizeof(p256_prefix) + 64)

static int read_key(struct slice der, EVP_PKEY **ret)
{
	const unsigned char *p = (const unsigned char *)der.p;
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key;
	int ok;

	if (der.n != P256_SIZE || memcmp(der.p, p256_prefix, sizeof(p256_prefix)) != 0)
		return -EBADMSG;
	key = d2i_PUBKEY(NULL, &p, (long)der.n);
	if (!key)
		return -EBADMSG;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	ok = ctx && EVP_PKEY_public_check(ctx) == 1; /* the point is on the curve */
	EVP_PKEY_CTX_free(ctx);
	if (!ok) {
		EVP_PKEY_free(key);
		return -EBADMSG;
	}
	*ret = key;
	return 0;
}

/* Built by hand: OpenSSL's text form of this extension takes commas and more from the name. */
static int add_san(X509 *cert, struct slice host, bool critical)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	int r = -ENOMEM;

	if (names && name && value && ASN1_STRING_set(value, host.p, (int)host.n) == 1) {
		GENERAL_NAME_set0_value(name, GEN_DNS, TAKE_PTR(value));
		if (sk_GENERAL_NAME_push(names, name) > 0) {
			name = NULL;
			r = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, critical,
					      X509V3_ADD_DEFAULT) == 1
				    ? 0
				    : -EIO;
		}
	}
	ASN1_IA5STRING_free(value);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return r;
}

/* A subject for people to read; names too long for one leave it empty, and then the SAN must be
 * critical (RFC 5280 4.2.1.6). */
static int set_names(X509 *cert, const struct ca *ca, struct slice host)
{
	bool fits = host.n <= CN_MAX;

	if (fits &&
	    X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_ASC,
				       (const unsigned char *)host.p, (int)host.n, -1, 0) != 1)
		return -EIO;
	if (X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) != 1)
		return -EIO;
	return add_san(cert, host, !fits);
}

static int fill(X509 *cert, const struct ca *ca, struct slice host, EVP_PKEY *key, uint64_t end_us,
		uint64_t now_us)
{
	static const struct {
		int nid;
		const char *value;
	} extensions[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth" },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	};
	int r;

	if (X509_set_version(cert, X509_VERSION_3) != 1 || X509_set_pubkey(cert, key) != 1)
		return -EIO;
	r = ca_set_serial(cert);
	if (r == 0)
		r = ca_set_validity(cert, now_us - CA_BACKDATE_US, end_us);
	if (r == 0)
		r = set_names(cert, ca, host);
	for (size_t i = 0; i < ARRAY_SIZE(extensions) && r == 0; i++)
		r = ca_add_text_extension(cert, ca->cert, extensions[i].nid, extensions[i].value);
	if (r == 0 && X509_sign(cert, ca->key, EVP_sha256()) <= 0)
		r = -EIO;
	return r;
}

int mint_leaf(const struct ca *ca, struct slice host, struct slice spki_der, unsigned hours,
	      uint64_t now_us, struct buf *ret)
{
	uint64_t end_us;
	EVP_PKEY *key = NULL;
	X509 *cert;
	int r;

	if (!names_is_host(host))
		return -EINVAL;
	if (!ca->key || !names_covers(ca->names, host) || now_us >= ca->not_after_us)
		return -EPERM;
	r = read_key(spki_der, &key);
	if (r < 0)
		return r;
	if (hours == 0 || hours > MINT_HOURS_MAX)
		hours = MINT_HOURS_MAX;
	/* The day counts from the backdated beginning. */
	end_us = now_us - CA_BACKDATE_US + (uint64_t)hours * 3600 * 1000000;
	if (end_us > ca->not_after_us)
		end_us = ca->not_after_us;
	cert = X509_new();
	r = cert ? fill(cert, ca, host, key, end_us, now_us) : -ENOMEM;
	if (r == 0)
		r = ca_pem(cert, ret);
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}
