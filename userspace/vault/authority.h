/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egret's certificate authorities over time: the newest, and older ones in overlap; which one signs
 * for a name; the two files they live in (keys: keyfile.h; certificates: PEM, newest first, which
 * is also what workloads must trust). Called by vault.c; the files are the monitor's.
 *
 * When the governed names change, or on request, or near its end, a new authority is made: new key,
 * new subject, new certificate. The key is not kept for a certificate with other constraints: two
 * trusted certificates with one subject and key let a client's path building pick the one whose
 * constraints refuse the name. A cross-signature cannot help either: the old one's constraints and
 * path length would hold for the new names too.
 *
 * So there is an overlap. A process that started before the change trusts the old certificate only
 * (trust bundles are read once), one that starts after it trusts both. During the overlap (7 days,
 * or as configured) names that the old authority covers are signed by the old, which everybody
 * trusts; names that only the new one covers are signed by the new, which is all that can be done
 * for them. After it the newest signs everything, the old key is destroyed at the next load, and
 * the old certificate leaves the bundle once the last leaf it vouched for has expired. A name that
 * is no longer governed is refused at once, overlap or not.
 */
#pragma once

#include "vault/ca.h"
#include "vault/keyfile.h"

struct authority;

struct authority_opts {
	unsigned ca_days, overlap_days; /* 0 overlap: the newest signs at once */
	char label[64]; /* for the subject: the host's name */
};

int authority_new(const struct authority_opts *o, struct authority **ret) _must_check_;
struct authority *authority_free(struct authority *a);

/* Reads both files, makes what is missing or outdated, drops what is over, writes them if they
 * changed. names: as names_parse(). On failure what was in force before stays (but an interrupted
 * write may have left a key without certificate, which the next load drops). 0; 1: a new authority
 * was made; -EINVAL (names; diag), -EBADMSG (a file holds something else: diag), -EIO, -ENOSPC ...
 * from the files. Borrows the fds. */
int authority_load(struct authority *a, int key_fd, int cert_fd, struct slice names, bool rotate,
		   uint64_t now_us, struct diag *d) _must_check_;

/* 0, or -errno: the last load found that something was to be written and could not be (diag says
 * so), and as nothing was in force, what the files hold is. */
int authority_kept(const struct authority *a);
/* The newest; NULL before the first load. */
const struct ca *authority_newest(const struct authority *a);
/* Who signs for host now; NULL: nobody may. */
const struct ca *authority_signer(const struct authority *a, struct slice host, uint64_t now_us);
/* All certificates as PEM, newest first, as many as fit. */
int authority_pem(const struct authority *a, struct buf *to) _must_check_;
size_t authority_count(const struct authority *a);
