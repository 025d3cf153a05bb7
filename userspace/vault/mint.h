/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf certificates: a worker's P-256 public key bound to one governed host name for at most a day.
 * Called by the vault for a worker's mint request; everything in it is the worker's and is checked
 * here: the name's syntax, that the authority permits it, and that the key is what it should be.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "vault/ca.h"

#define MINT_HOURS_MAX 24u

/* Appends the leaf as PEM to ret. The authority is a trust anchor, so it is not part of the chain.
 * -EINVAL: not a host name (lower case); -EPERM: not permitted by the authority; -EBADMSG: not a
 * P-256 SubjectPublicKeyInfo with an uncompressed point; -EIO, -ENOMEM. Never outlives the
 * authority. */
int mint_leaf(const struct ca *ca, struct slice host, struct slice spki_der, unsigned hours,
	      uint64_t now_us, struct buf *ret) _must_check_;
