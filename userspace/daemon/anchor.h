/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate authority as the monitor sees it: two files that the vault reads and writes
 * through descriptors, and what the rest of the host is to trust, published in the run directory.
 * The key passes through here only as an open file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "egret/rpc.h"

struct anchor;
struct channel;
struct edition;
struct warnings;

struct anchor_opts {
	const char *state_dir, *run_dir;
	struct warnings *warnings;
};

/* ok: the certificate is loaded and published. */
typedef void (*anchor_fn)(void *ctx, bool ok);

int anchor_new(const struct anchor_opts *o, struct diag *d, struct anchor **ret) _must_check_;
struct anchor *anchor_free(struct anchor *a); /* returns NULL */
/* Makes the vault load (or make) the CA for the edition's names. One at a time: -EBUSY. fn runs
 * once if 0 is returned. */
int anchor_load(struct anchor *a, struct channel *vault, const struct edition *e, bool rotate,
		struct diag *d, anchor_fn fn, void *ctx) _must_check_;
/* It needs room on the disk to be what it should be: load it again when there may be. */
bool anchor_lacks_room(const struct anchor *a);
/* NULL: not loaded (yet). */
const struct eg_ca_info *anchor_info(const struct anchor *a);
unsigned anchor_certificates(const struct anchor *a); /* with those in overlap */
const char *anchor_cert(const struct anchor *a); /* path of what is to be trusted */
const char *anchor_bundle(const struct anchor *a); /* path: with the system's store */
/* Names of the edition that the loaded CA was not made for. */
bool anchor_covers(const struct anchor *a, const struct edition *e);
