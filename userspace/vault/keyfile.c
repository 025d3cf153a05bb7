/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/keyfile.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sys/stat.h>

#include "base/secret.h"

#define SECURE_HEAP	(64u * 1024)
#define SECURE_HEAP_MIN 32u
#define FILE_MAX	4096u
#define SCALAR		32u
#define POINT		65u /* uncompressed */

/* RFC 5208 PrivateKeyInfo { v0, ecPublicKey prime256v1, OCTET STRING { RFC 5915 ECPrivateKey { 1,
 * scalar, [1] BIT STRING point } } }: every P-256 key has these bytes before its scalar and point.
 */
static const unsigned char before_scalar[] = {
	0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,
	0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
};
static const unsigned char before_point[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };

#define DER_SIZE   (sizeof(before_scalar) + SCALAR + sizeof(before_point) + POINT)
#define LINE_BYTES 48u /* 64 characters of base64 */
#define DER_ROOM   (DER_SIZE + 2) /* a decoder writes whole groups of three */

static const char begin_line[] = "-----BEGIN PRIVATE KEY-----\n";
static const char end_line[] = "-----END PRIVATE KEY-----\n";

int keyfile_init(void)
{
	if (CRYPTO_secure_malloc_initialized())
		return 0;
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -ENOMEM;
	/* 2 would mean: made, but not locked. */
	return CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_MIN) == 1 ? 0 : -ENOMEM;
}

int keyfile_make(EVP_PKEY **ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return -EIO;
	*ret = key;
	return 0;
}

/* ---- a key and its DER ---- */

static int to_der(EVP_PKEY *key, struct secret *der)
{
	unsigned char point[POINT];
	unsigned char *at;
	BIGNUM *scalar = BN_secure_new();
	size_t n = 0;
	int r = -EIO;

	if (!scalar)
		return -ENOMEM;
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
					    &n) == 1 &&
	    n == POINT && der->size >= DER_SIZE) {
		r = secret_append(der, before_scalar, sizeof(before_scalar));
		at = (unsigned char *)der->p + der->n;
		if (r == 0 && BN_bn2binpad(scalar, at, SCALAR) != (int)SCALAR)
			r = -EIO;
		der->n += SCALAR;
	}
	BN_clear_free(scalar);
	if (r == 0)
		r = secret_append(der, before_point, sizeof(before_point));
	return r < 0 ? r : secret_append(der, point, POINT);
}

static int build(const BIGNUM *scalar, const unsigned char *point, EVP_PKEY **ret)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), *check = NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	int r = -EBADMSG;

	/* The number is in secure memory, and then so is the builder's copy. */
	if (bld && ctx &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, scalar) &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, POINT))
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1)
		check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (check && EVP_PKEY_pairwise_check(check) == 1) {
		*ret = TAKE_PTR(key);
		r = 0;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_free(key);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_BLD_free(bld);
	return r;
}

static int from_der(const unsigned char *der, size_t n, EVP_PKEY **ret)
{
	const unsigned char *scalar = der + sizeof(before_scalar), *middle = scalar + SCALAR,
			    *point = middle + sizeof(before_point);
	BIGNUM *bn;
	int r = -ENOMEM;

	if (n != DER_SIZE || memcmp(der, before_scalar, sizeof(before_scalar)) != 0 ||
	    memcmp(middle, before_point, sizeof(before_point)) != 0)
		return -EBADMSG;
	bn = BN_secure_new();
	if (bn && BN_bin2bn(scalar, (int)SCALAR, bn))
		r = build(bn, point, ret);
	BN_clear_free(bn);
	return r;
}

/* ---- PEM ---- */

static int append_pem(EVP_PKEY *key, struct secret *text)
{
	_cleanup_(secret_free) struct secret der = { 0 };
	int r = secret_new(DER_SIZE, &der);

	if (r == 0)
		r = to_der(key, &der);
	if (r == 0)
		r = secret_append(text, begin_line, sizeof(begin_line) - 1);
	for (size_t at = 0; r == 0 && at < der.n; at += LINE_BYTES) {
		size_t n = der.n - at < LINE_BYTES ? der.n - at : LINE_BYTES;

		/* 64 characters, and the encoder's NUL where the newline goes. */
		if (text->size - text->n < 65)
			return -EMSGSIZE;
		text->n += (size_t)EVP_EncodeBlock((unsigned char *)text->p + text->n,
						   (const unsigned char *)der.p + at, (int)n);
		r = secret_append(text, "\n", 1);
	}
	return r < 0 ? r : secret_append(text, end_line, sizeof(end_line) - 1);
}

/* Takes one line off the front, without its newline. */
static struct slice take_line(struct slice *s)
{
	const char *nl = memchr(s->p, '\n', s->n);
	size_t n = nl ? (size_t)(nl - s->p) : s->n;
	struct slice line = slice_of(s->p, n);

	*s = slice_of(s->p + n + (nl ? 1 : 0), s->n - n - (nl ? 1 : 0));
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static bool is_line(struct slice line, const char *wanted, size_t n)
{
	return slice_eq(line, slice_of(wanted, n - 1)); /* less its newline */
}

/* After the BEGIN line: the lines up to END, decoded. */
static int take_block(struct slice *s, EVP_PKEY **ret)
{
	_cleanup_(secret_free) struct secret der = { 0 };
	int r = secret_new(DER_ROOM, &der);
	size_t padding = 0;

	while (r == 0) {
		struct slice line = take_line(s);
		int n;

		if (is_line(line, end_line, sizeof(end_line) - 1))
			return from_der((const unsigned char *)der.p, der.n - padding, ret);
		if (line.n == 0 || line.n > 64 || line.n % 4 || padding ||
		    der.n + line.n / 4 * 3 > DER_ROOM)
			return -EBADMSG;
		n = EVP_DecodeBlock((unsigned char *)der.p + der.n, (const unsigned char *)line.p,
				    (int)line.n);
		if (n < 0)
			return -EBADMSG;
		der.n += (size_t)n;
		padding = (line.p[line.n - 1] == '=') + (line.p[line.n - 2] == '=');
	}
	return r;
}

/* ---- the file ---- */

static int read_file(int fd, struct secret *text)
{
	int r = secret_new(FILE_MAX, text);

	while (r == 0) {
		ssize_t n;

		if (text->n == text->size)
			return -EBADMSG;
		n = pread(fd, text->p + text->n, text->size - text->n, (off_t)text->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		text->n += (size_t)n;
	}
	return r;
}

int keyfile_read(int fd, EVP_PKEY *ret_keys[KEYFILE_KEYS_MAX], size_t *ret_n)
{
	_cleanup_(secret_free) struct secret text = { 0 };
	EVP_PKEY *keys[KEYFILE_KEYS_MAX] = { NULL };
	size_t n = 0;
	int r = read_file(fd, &text);
	struct slice s = secret_slice(&text);

	while (r == 0 && s.n) {
		struct slice line = take_line(&s);

		if (slice_trim(line).n == 0)
			continue;
		if (n == KEYFILE_KEYS_MAX)
			r = -E2BIG;
		else if (!is_line(line, begin_line, sizeof(begin_line) - 1))
			r = -EBADMSG;
		else
			r = take_block(&s, &keys[n]);
		n += r == 0;
	}
	if (r < 0) {
		for (size_t i = 0; i < n; i++)
			EVP_PKEY_free(keys[i]);
		return r;
	}
	memcpy(ret_keys, keys, sizeof(keys));
	*ret_n = n;
	return 0;
}

int keyfile_write(int fd, EVP_PKEY *const *keys, size_t n)
{
	_cleanup_(secret_free) struct secret text = { 0 };
	struct stat st;
	size_t length;
	ssize_t written;
	int r = secret_new(FILE_MAX, &text);

	for (size_t i = 0; i < n && r == 0; i++)
		r = append_pem(keys[i], &text);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Old content behind the new must not be read as keys if the cut never happens. */
	length = text.n;
	while (text.n < text.size && (off_t)text.n < st.st_size)
		text.p[text.n++] = '\n';
	written = pwrite(fd, text.p, text.n, 0);
	if (written != (ssize_t)text.n)
		return written < 0 ? -errno : -ENOSPC;
	if (ftruncate(fd, (off_t)length) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}
