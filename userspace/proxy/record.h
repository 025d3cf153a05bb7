/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the audit record of an exchange (headers/egret/record.h) as things become known. */
#pragma once

#include "base/slice.h"
#include "egret/reasons.h"
#include "egret/record.h"

struct exchange;

/* Opens one and numbers it. Else x->rec is NULL: audit_unavailable (the slab is full, or there is
 * none), or overloaded (the cgroup has its share of open ones). */
enum eg_reason record_open(struct exchange *x);
/* Who, to where, what: as far as they are known already. */
void record_caller(struct exchange *x);
void record_request(struct exchange *x);
void record_provider(struct exchange *x);
/* A key that somebody put into a path is not for eyes: stars in its place, behind its prefix. */
void record_mask(const struct exchange *x, char *path);
/* Policy's answer. */
void record_verdict(struct exchange *x);
/* A direct key was seen: a keyed hash of it is kept. */
void record_key(struct exchange *x, struct slice key);
void record_denied(struct exchange *x, enum eg_reason reason, struct slice detail);
/* Ends it: hands it to the recorder. Nothing happens if it is not open. */
void record_commit(struct exchange *x);
