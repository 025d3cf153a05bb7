/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leaf certificate's two halves: the P-256 key made here, of which only the public half goes to
 * the vault, and the chain that comes back, believed only when it fits that key and the name.
 * Called by server.c.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "base/slice.h"

struct tls_chain {
	X509 *leaf;
	STACK_OF(X509) * rest; /* issuers to send along; a self-signed one is left out */
	uint64_t not_after_us; /* wall clock */
};

/* -ENOMEM. */
int tls_leaf_key(EVP_PKEY **ret) _must_check_;
/* The key's SubjectPublicKeyInfo, DER; freed with OPENSSL_free(). Length or -ENOMEM. */
int tls_leaf_spki(EVP_PKEY *key, unsigned char **ret_der) _must_check_;
/* Leaf first. -EINVAL: not a chain, or not for this host; -ESTALE: for another key than this;
 * -ENOMEM. Leaves the OpenSSL error queue empty. */
int tls_chain_parse(struct slice pem, struct slice host, EVP_PKEY *key,
		    struct tls_chain *ret) _must_check_;
/* Accepts an empty one, leaves an empty one. */
void tls_chain_done(struct tls_chain *c);
