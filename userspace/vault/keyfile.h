/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of CA keys: unencrypted PKCS#8 PEM blocks of P-256 keys, as `openssl genpkey` writes
 * them. Encoded and decoded here rather than by OpenSSL, whose encoders leave copies in ordinary
 * memory: every byte of a key passes only through locked memory that is zeroed. Used by
 * authority.c.
 */
#pragma once

#include <openssl/types.h>
#include <stddef.h>

#include "base/cleanup.h"

#define KEYFILE_KEYS_MAX 8u

/* Before any key: OpenSSL's own secret numbers go to locked memory from here on. -ENOMEM when it
 * cannot be locked (RLIMIT_MEMLOCK). May be called again. */
int keyfile_init(void) _must_check_;
/* A fresh key. -ENOMEM, -EIO. */
int keyfile_make(EVP_PKEY **ret) _must_check_;
/* Reads the whole file, which may be empty. The keys are the caller's. -EBADMSG: holds something
 * else; -E2BIG: more keys than fit. */
int keyfile_read(int fd, EVP_PKEY *ret_keys[KEYFILE_KEYS_MAX], size_t *ret_n) _must_check_;
/* Replaces the content in one write of less than a page, so that a crash leaves the old or the new,
 * and syncs it. n <= KEYFILE_KEYS_MAX. */
int keyfile_write(int fd, EVP_PKEY *const *keys, size_t n) _must_check_;
