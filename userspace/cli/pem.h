/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates in PEM files, compared byte for byte. The command line parses no X.509 and links no
 * OpenSSL: whether a bundle holds a certificate is a question about bytes.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#define PEM_FILE_MAX (16u << 20)

/* Decodes the next CERTIFICATE block of *text to DER in `der` (cleared before) and moves *text
 * behind it. 1: one was found, 0: none is left, negative: -EINVAL (a block that is none), -ENOMEM.
 */
int pem_next(struct slice *text, struct buf *der) _must_check_;
/* Reads a regular file, whole: -EFBIG beyond PEM_FILE_MAX. The buffer is the caller's to release.
 */
int pem_read_file(const char *path, struct buf *ret) _must_check_;
/* Whether this certificate (DER) is among those of a PEM text. */
bool pem_holds(struct slice text, struct slice der);
