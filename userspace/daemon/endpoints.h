/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The governed addresses in the kernel's map: CIDRs of the catalogue, and addresses that governed
 * names were resolved to. An address stays for at least an hour after it was last confirmed, and
 * longer while its name cannot be resolved: forgetting one lets traffic pass ungoverned. What is
 * known is kept in the state directory, so that a restart is not blind.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/json.h"
#include "daemon/edition.h"
#include "egret/rpc.h"
#include "event/loop.h"

struct dataplane;
struct endpoints;
struct warnings;

#define ENDPOINTS_KEEP_US 3600000000ull

struct endpoints_opts {
	struct loop *loop;
	struct dataplane *dp; /* NULL in tests: nothing reaches the kernel */
	struct warnings *warnings; /* a full map is told here */
	const char *file; /* where addresses are kept */
	void (*on_new)(void *ctx); /* an address has become governed; may be NULL */
	void *ctx;
};

int endpoints_new(const struct endpoints_opts *o, struct endpoints **ret) _must_check_;
struct endpoints *endpoints_free(struct endpoints *e); /* saves what is not; returns NULL */

/* Writes what is known, if the file does not have it yet: also done by itself, a little later. */
void endpoints_save(struct endpoints *e);
/* Addresses kept by an earlier daemon. A file that cannot be read is told in d and left out. */
int endpoints_read(struct endpoints *e, struct diag *d) _must_check_;
/* Brings the map to an edition: its CIDRs, the known addresses of its names; removes others. */
int endpoints_apply(struct endpoints *e, const struct edition *ed, struct diag *d) _must_check_;
/* A name's addresses; n = 0: it was tried in vain. Names that are not the edition's are ignored.
 * now_us: wall clock. */
void endpoints_resolved(struct endpoints *e, const struct eg_resolved *res, uint64_t now_us);
/* Removes addresses that their name has not had for ENDPOINTS_KEEP_US. Returns how many. */
size_t endpoints_expire(struct endpoints *e, uint64_t now_us);

size_t endpoints_names(const struct endpoints *e); /* governed names */
size_t endpoints_tried(const struct endpoints *e); /* of these, those that were tried */
/* Names that have never been resolved, as an array. */
json_t *endpoints_unresolved(const struct endpoints *e) _must_check_;
