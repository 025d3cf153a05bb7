/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC-SHA-256 over OpenSSL's EVP: the only hashing egret relies on for security. */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define DIGEST_SIZE 32

struct digest;

int digest_new(struct digest **ret) _must_check_; /* SHA-256; -ENOMEM */
struct digest *digest_free(struct digest *d);
int digest_update(struct digest *d, struct slice s) _must_check_;
/* The digest can be used again afterwards, from the start. */
int digest_final(struct digest *d, uint8_t ret[DIGEST_SIZE]) _must_check_;

int digest_hmac(struct slice key, struct slice s, uint8_t ret[DIGEST_SIZE]) _must_check_;
/* 2 * n lower-case hex digits and NUL. */
void digest_hex(const uint8_t *p, size_t n, char *to);
