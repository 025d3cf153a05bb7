/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of DNS subtrees: what a CA certificate permits, made from the governed names. Canonical:
 * lower case, sorted, nothing inside another, so that two sets can be compared. Used by ca.c and
 * authority.c only; never touches the network or files.
 *
 * RFC 5280 4.2.1.10: a dNSName constraint permits the name itself and everything below it.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"

#define NAMES_MAX	1024u
#define NAMES_BYTES_MAX 32768u
#define NAMES_HOST_MAX	253u

struct names;

/* `text`: governed names, each ended by NUL (the last NUL may be missing): host names, or patterns
 * with `*`, whose subtree is what follows the label of the last star and must have two labels at
 * least ("*.example.com" permits example.com; "*.com" is refused: that would be no constraint).
 * -EINVAL (diag says which name and why; also when there is none), -ENOMEM. */
int names_parse(struct slice text, struct diag *d, struct names **ret) _must_check_;
/* From n subtrees as they stand in a certificate; one leading dot is taken off. */
int names_from(const struct slice *v, size_t n, struct names **ret) _must_check_;
struct names *names_free(struct names *s);

size_t names_count(const struct names *s);
struct slice names_get(const struct names *s, size_t i);
bool names_eq(const struct names *a, const struct names *b);
/* host in lower case. */
bool names_covers(const struct names *s, struct slice host);

/* Whether s is a host name a certificate may carry: LDH labels of 1-63 bytes in lower case, at most
 * 253 in all, no trailing dot, no address. */
bool names_is_host(struct slice s);
