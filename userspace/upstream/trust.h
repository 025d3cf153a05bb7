/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SSL_CTX towards providers, one per trust bundle: TLS 1.2 and 1.3, verification of chain and
 * name mandatory, sessions handed to their key. Called by pool.c.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "base/slice.h"

/* pem: certificates that chains may end in. -EINVAL: none, or malformed; -ENOMEM. Leaves the
 * OpenSSL error queue empty. on_session: as SSL_CTX_sess_set_new_cb(). */
int upstream_trust_new(struct slice pem, int (*on_session)(SSL *, SSL_SESSION *),
		       SSL_CTX **ret) _must_check_;
