/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configured credentials: where each key comes from, and how far it has come. The monitor opens
 * the source and hands the descriptor to the vault; it never reads the key itself. A source that
 * fails is a warning, its requests are denied, the others are served.
 */
#pragma once

#include "base/json.h"
#include "daemon/config.h"
#include "event/loop.h"

struct channel;
struct credentials;
struct edition;
struct warnings;

struct credentials_opts {
	struct loop *loop;
	struct warnings *warnings;
	/* Every source that was to be read has been, well or not. */
	void (*on_settled)(void *ctx);
	void *ctx;
};

int credentials_new(const struct credentials_opts *o, struct credentials **ret) _must_check_;
struct credentials *credentials_free(struct credentials *c); /* returns NULL */
/* The vault that keys go to; NULL while there is none. A new one has to be loaded. */
void credentials_set_vault(struct credentials *c, struct channel *vault);
/* Reads every source anew: those configured, and the files of credential_files.h. Drops from the
 * vault what is neither any more. */
int credentials_load(struct credentials *c, const struct config *config,
		     const struct edition *edition) _must_check_;
bool credentials_settled(const struct credentials *c); /* nothing is being read */
size_t credentials_total(const struct credentials *c);
size_t credentials_loaded(const struct credentials *c);
/* Row i of `credential list`; NULL past the end or out of memory. */
json_t *credentials_row(const struct credentials *c, size_t i);
/* Somebody's, read or not. */
bool credentials_has(const struct credentials *c, struct slice id);
/* An array of ids for a provider. */
json_t *credentials_of(const struct credentials *c, const char *provider) _must_check_;
