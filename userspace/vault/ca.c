/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/ca.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/digest.h"

#define SERIAL_BYTES 16

/* ---- parts of any certificate ---- */

int ca_set_validity(X509 *cert, uint64_t from_us, uint64_t to_us)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(from_us / 1000000)),
		  *to = ASN1_TIME_set(NULL, (time_t)(to_us / 1000000));
	int r = from && to && X509_set1_notBefore(cert, from) == 1 &&
				X509_set1_notAfter(cert, to) == 1
			? 0
			: -EIO;

	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return r;
}

int ca_set_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *bn = NULL;
	int r = -EIO;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	/* Positive, and of full length: the two top bits are 01. */
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40);
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	if (bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)))
		r = 0;
	BN_free(bn);
	return r;
}

int ca_add_text_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	int r;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	r = e && X509_add_ext(cert, e, -1) == 1 ? 0 : -EIO;
	X509_EXTENSION_free(e);
	return r;
}

int ca_pem(X509 *cert, struct buf *to)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;
	int r = -ENOMEM;

	if (bio && PEM_write_bio_X509(bio, cert) == 1) {
		n = BIO_get_mem_data(bio, &p);
		r = buf_append(to, p, (size_t)n);
	}
	BIO_free(bio);
	return r;
}

int ca_sha256(const struct ca *ca, uint8_t ret[32])
{
	unsigned n;

	return X509_digest(ca->cert, EVP_sha256(), ret, &n) == 1 ? 0 : -EIO;
}

/* ---- name constraints ---- */

static int push_subtree(STACK_OF(GENERAL_SUBTREE) * stack, int type, const void *p, size_t n)
{
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	ASN1_STRING *value =
		ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);

	if (tree && value && ASN1_STRING_set(value, p, (int)n) == 1) {
		GENERAL_NAME_set0_value(tree->base, type, value);
		value = NULL;
		if (sk_GENERAL_SUBTREE_push(stack, tree) > 0)
			return 0;
	}
	ASN1_STRING_free(value);
	GENERAL_SUBTREE_free(tree);
	return -ENOMEM;
}

static int add_constraints(X509 *cert, const struct names *names)
{
	static const unsigned char any4[8], any6[32]; /* address and mask, all zero */
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	int r = -ENOMEM;

	if (!nc)
		return -ENOMEM;
	nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
	nc->excludedSubtrees = sk_GENERAL_SUBTREE_new_null();
	if (nc->permittedSubtrees && nc->excludedSubtrees)
		r = push_subtree(nc->excludedSubtrees, GEN_IPADD, any4, sizeof(any4));
	if (r == 0)
		r = push_subtree(nc->excludedSubtrees, GEN_IPADD, any6, sizeof(any6));
	for (size_t i = 0; i < names_count(names) && r == 0; i++) {
		struct slice name = names_get(names, i);

		r = push_subtree(nc->permittedSubtrees, GEN_DNS, name.p, name.n);
	}
	if (r == 0 && X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT) != 1)
		r = -EIO;
	NAME_CONSTRAINTS_free(nc);
	return r;
}

static int collect_names(const STACK_OF(GENERAL_SUBTREE) * permitted, struct names **ret)
{
	int n = sk_GENERAL_SUBTREE_num(permitted);
	_cleanup_free_ struct slice *v = NULL;

	if (n <= 0 || n > (int)NAMES_MAX)
		return -EBADMSG;
	v = calloc((size_t)n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(permitted, i)->base;

		if (base->type != GEN_DNS)
			return -EBADMSG;
		v[i] = slice_of(ASN1_STRING_get0_data(base->d.dNSName),
				(size_t)ASN1_STRING_length(base->d.dNSName));
	}
	return names_from(v, (size_t)n, ret);
}

static int read_constraints(X509 *cert, struct names **ret)
{
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(cert, NID_name_constraints, NULL, NULL);
	int r = nc ? collect_names(nc->permittedSubtrees, ret) : -EBADMSG;

	NAME_CONSTRAINTS_free(nc);
	return r;
}

/* ---- the authority ---- */

static int set_subject(X509 *cert, EVP_PKEY *key, const char *label)
{
	_cleanup_free_ unsigned char *der = NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	X509_NAME *name = X509_get_subject_name(cert);
	char id[9], cn[64];
	unsigned char *p;
	int n = i2d_PUBKEY(key, NULL);

	if (n <= 0)
		return -EIO;
	p = der = malloc((size_t)n);
	if (!der)
		return -ENOMEM;
	/* Each key has a subject of its own: two authorities of one name and different constraints
	 * confuse path building in some clients. */
	if (i2d_PUBKEY(key, &p) != n ||
	    EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	digest_hex(digest, 4, id);
	(void)snprintf(cn, sizeof(cn), "egret CA %.40s%s%s", label, label[0] ? " " : "", id);
	if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, (unsigned char *)cn, -1,
				       -1, 0) != 1)
		return -EIO;
	return X509_set_issuer_name(cert, name) == 1 ? 0 : -EIO;
}

static int fill(X509 *cert, EVP_PKEY *key, const struct names *names, const char *label,
		uint64_t now_us, unsigned days)
{
	static const struct {
		int nid;
		const char *value;
	} extensions[] = {
		{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ NID_ext_key_usage, "serverAuth" },
		{ NID_subject_key_identifier, "hash" },
	};
	uint64_t end_us = now_us + (uint64_t)days * 86400 * 1000000;
	int r = -EIO;

	if (X509_set_version(cert, X509_VERSION_3) != 1 || X509_set_pubkey(cert, key) != 1)
		return -EIO;
	r = ca_set_serial(cert);
	if (r == 0)
		r = ca_set_validity(cert, now_us - CA_BACKDATE_US, end_us);
	if (r == 0)
		r = set_subject(cert, key, label);
	for (size_t i = 0; i < ARRAY_SIZE(extensions) && r == 0; i++)
		r = ca_add_text_extension(cert, cert, extensions[i].nid, extensions[i].value);
	if (r == 0)
		r = add_constraints(cert, names);
	if (r == 0 && X509_sign(cert, key, EVP_sha256()) <= 0)
		r = -EIO;
	return r;
}

int ca_make(EVP_PKEY *key, const struct names *names, const char *label, uint64_t now_us,
	    unsigned days, struct ca **ret)
{
	X509 *cert = X509_new();
	int r = cert ? fill(cert, key, names, label, now_us, days) : -ENOMEM;

	if (r == 0)
		r = ca_from_cert(TAKE_PTR(cert), ret);
	if (r == 0)
		(*ret)->key = TAKE_PTR(key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

static int read_time(const ASN1_TIME *t, uint64_t *ret_us)
{
	struct tm tm;
	time_t s;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return -EBADMSG;
	s = timegm(&tm);
	if (s < 0)
		return -EBADMSG;
	*ret_us = (uint64_t)s * 1000000;
	return 0;
}

int ca_from_cert(X509 *cert, struct ca **ret)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	int r;

	if (!ca) {
		X509_free(cert);
		return -ENOMEM;
	}
	ca->cert = cert;
	r = read_constraints(cert, &ca->names);
	if (r == 0)
		r = read_time(X509_get0_notBefore(cert), &ca->not_before_us);
	if (r == 0)
		r = read_time(X509_get0_notAfter(cert), &ca->not_after_us);
	if (r == 0 && X509_check_ca(cert) != 1)
		r = -EBADMSG;
	if (r < 0) {
		(void)ca_free(ca);
		return r;
	}
	*ret = ca;
	return 0;
}

struct ca *ca_free(struct ca *ca)
{
	if (ca) {
		EVP_PKEY_free(ca->key);
		X509_free(ca->cert);
		(void)names_free(ca->names);
	}
	free(ca);
	return NULL;
}
