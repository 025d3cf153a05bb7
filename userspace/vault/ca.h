/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One certificate authority: a P-256 key and a self-signed certificate that can vouch for nothing
 * but TLS servers below the governed names (critical name constraints, every address excluded, path
 * length 0). Used by authority.c, which holds several, and mint.c, which signs with one.
 */
#pragma once

#include <openssl/types.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "vault/names.h"

/* What clocks may differ: every certificate begins this much before it was made. */
#define CA_BACKDATE_US (5ull * 60 * 1000000)

struct ca {
	EVP_PKEY *key; /* NULL: retired, its certificate is kept for those who verify */
	X509 *cert;
	struct names *names; /* as permitted in the certificate */
	uint64_t not_before_us, not_after_us;
};

/* Takes key, also when it fails. Subject: CN "egret CA <label> <8 hex digits of the key>". */
int ca_make(EVP_PKEY *key, const struct names *names, const char *label, uint64_t now_us,
	    unsigned days, struct ca **ret) _must_check_;
/* From a certificate as read (takes it), without a key. -EBADMSG: not one of egret's. */
int ca_from_cert(X509 *cert, struct ca **ret) _must_check_;
struct ca *ca_free(struct ca *ca);
/* The certificate as PEM. -EMSGSIZE when `to` is full. */
int ca_pem(X509 *cert, struct buf *to) _must_check_;
int ca_sha256(const struct ca *ca, uint8_t ret[32]) _must_check_;

/* For mint.c too. -EIO. */
int ca_set_validity(X509 *cert, uint64_t from_us, uint64_t to_us) _must_check_;
int ca_set_serial(X509 *cert) _must_check_;
int ca_add_text_extension(X509 *cert, X509 *issuer, int nid, const char *value) _must_check_;
