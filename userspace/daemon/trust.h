/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles of certificates: the system's, and what upstream connections are checked against. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "daemon/config.h"

#define TRUST_MAX (8u << 20) /* bytes of a bundle */

/* The system's bundle as PEM. -ENOENT: none of the usual places has one. */
int trust_system(struct buf *ret, struct diag *d) _must_check_;
/* A sealed memfd with the certificates that providers may show, for the workers. */
int trust_upstream(const struct config *c, struct diag *d, int *ret_fd) _must_check_;
