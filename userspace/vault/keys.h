/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The providers' credentials, by id. Values live in locked memory from the read() on; what may be
 * shown of one is a keyed fingerprint and, of long ones, the last four bytes. Called by vault.c;
 * knows neither files' names nor channels. Never copies a value anywhere but into struct secret.
 */
#pragma once

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/slice.h"
#include "egret/rpc.h"

#define KEYS_MAX       512u
#define KEYS_VALUE_MAX (8192u - sizeof(struct eg_leased)) /* fits a lease reply */

/* Takes the trailing newline off and checks what was read: -ENODATA when nothing is left,
 * -EMSGSIZE, -EILSEQ when it holds control characters, spaces or bytes above 0x7e: a field value
 * that does would be refused by providers, or split by a proxy on the way. */
int keys_trim(struct secret *value) _must_check_;

struct key {
	struct key *next;
	char id[EG_NAME_MAX];
	char provider[EG_NAME_MAX];
	int error; /* 0, or why there is no value: negative errno of the last read */
	uint32_t generation; /* of this value */
	char fingerprint[24];
	char last4[8];
	struct secret value;
};

struct keys;

/* fingerprint_key is copied into locked memory. */
int keys_new(const uint8_t fingerprint_key[32], struct keys **ret) _must_check_;
struct keys *keys_free(struct keys *k);

/* Puts a value in (takes it, zeroes it on failure too). *ret_changed: it was another before, so
 * leases of the old one must end; a first value or an equal one changes nothing.
 * -ENOSPC: KEYS_MAX are there; -EINVAL: id or provider empty or unterminated; -ENOMEM. */
int keys_put(struct keys *k, const struct eg_credential *c, struct secret *value,
	     const struct key **ret, bool *ret_changed) _must_check_;
/* The source could not be read. A value from before stays in force; otherwise the id is known as
 * unreadable, so that a lease says EIO and not ENOENT. */
int keys_fail(struct keys *k, const struct eg_credential *c, int error) _must_check_;
/* Forgets it; false: it was not there. */
bool keys_drop(struct keys *k, const char *id);

/* By id, which must be of that provider; id empty: the provider's own (id equal to its name). */
const struct key *keys_find(const struct keys *k, const char *id, const char *provider);
/* Moves on with every change and drop. */
uint32_t keys_generation(const struct keys *k);
