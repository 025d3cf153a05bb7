/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider catalogue: which host names are governed, which operations exist there, where a
 * credential stands. Written as data (policy/providers.json, embedded; a file may replace or add),
 * compiled by the monitor into a position-independent image, mapped read-only by workers.
 *
 * Indexes of providers and operations are positions in the catalogue; the policy image compiled
 * against it uses the same ones (both travel together). Look-ups are hashed; nothing is O(n).
 */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "base/slice.h"
#include "egret/abi.h"

struct json_doc; /* base/json.h */

/* How a body must be read to decide. */
enum catalogue_body {
	CATALOGUE_BODY_NONE, /* one that is not empty is refused */
	CATALOGUE_BODY_JSON, /* scanned whole before the decision */
	CATALOGUE_BODY_MULTIPART, /* scanned for text parts, kept whole until decided */
	CATALOGUE_BODY_OPAQUE, /* relayed as it comes (file uploads); bounded by size only */
};

struct catalogue_operation {
	struct slice name; /* "chat", "responses", "messages", ...: what policy says */
	unsigned kind; /* index of that name among all names of the catalogue */
	enum catalogue_body body;
	struct slice model_path; /* json_scan path or form part of the model; empty: no model */
	struct slice model_from_path; /* "{model}" when its paths hold the model, or empty */
	struct slice const *max_tokens_paths; /* in the dialect's order of preference: the first is
						 inserted when none is there */
	size_t n_max_tokens_paths;
	struct slice const
		*refuse_paths; /* must not be in the body: what could go round the model */
	size_t n_refuse_paths;
	struct slice stream_path; /* "stream", or empty */
	bool has_output; /* produces tokens: max_tokens obligations apply */
};

struct catalogue_provider {
	struct slice name; /* "openai" */
	struct slice trust; /* "public" or "private": facts for policy */
	struct slice dialect;
	/* Where egret's credential goes: field name, and what stands before the key ("Bearer ").
	 * Empty: egret cannot speak for this provider, and it has no operations. */
	struct slice credential_field, credential_prefix;
	struct slice placeholder; /* e.g. "sk-ant-egret-placeholder" */
	struct slice const *env; /* variables `egret run` sets to the placeholder */
	size_t n_env;
	struct slice const
		*key_prefixes; /* e.g. "sk-ant-": to name a direct key, never to decide */
	size_t n_key_prefixes;
	struct slice const *hosts; /* as written: a name, or a pattern with "*." in front for one
				      label or more, "*" for one, "*-x" for the end of one */
	size_t n_hosts;
};

struct catalogue;

/* Monitor: compiles; diag says file:line:col. ret is an image for a sealed memfd. */
int catalogue_compile(const struct json_doc *const *docs, size_t n_docs, struct diag *d,
		      struct buf *ret) _must_check_;
/* Maps an image (checked: bounds, magic, version); `mem` must outlive it. Workers, vault, CLI. */
int catalogue_open(const void *mem, size_t n, struct catalogue **ret) _must_check_;
struct catalogue *catalogue_free(struct catalogue *c);

/* Provider index for a host name (any case, a final dot is ignored); -1: not governed. */
int catalogue_find_host(const struct catalogue *c, struct slice host);
size_t catalogue_providers(const struct catalogue *c);
const struct catalogue_provider *catalogue_provider(const struct catalogue *c, unsigned provider);
int catalogue_find_provider(const struct catalogue *c, struct slice name);

/* Operation index for a request; -1: unknown. `path` is the target without query, undecoded: a
 * path with dot segments, empty segments, encoded slashes or any percent-encoded unreserved byte
 * matches nothing; neither does one whose model is percent-encoded. *ret_model is the model that
 * stands in the path (borrowed from it), or empty. */
int catalogue_find_operation(const struct catalogue *c, unsigned provider, struct slice method,
			     struct slice path, struct slice *ret_model);
/* NULL past the last one. */
const struct catalogue_operation *catalogue_operation(const struct catalogue *c,
						      unsigned operation);
/* Names of operation kinds, for the policy compiler: number, name, and index by name (-1: none). */
size_t catalogue_kinds(const struct catalogue *c);
struct slice catalogue_kind_name(const struct catalogue *c, unsigned kind);
int catalogue_find_kind(const struct catalogue *c, struct slice name);

/* Names to resolve to addresses (patterns left out), and CIDRs, by position; false past the end. */
bool catalogue_name_at(const struct catalogue *c, size_t i, struct slice *ret_host,
		       unsigned *ret_provider);
bool catalogue_cidr_at(const struct catalogue *c, size_t i, struct eg_endpoint_key *ret_key,
		       unsigned *ret_provider);

/* Whose keys begin like this value (the longest prefix counts): a provider's index, or -1. */
int catalogue_find_key_prefix(const struct catalogue *c, struct slice value, size_t *ret_length);
/* Some provider's placeholder, exactly. */
bool catalogue_is_placeholder(const struct catalogue *c, struct slice value);
/* A field in which some provider takes its credential: its name in lower case, or empty. Any case,
 * and '_' is as good as '-', since some servers read it so. */
struct slice catalogue_find_credential_field(const struct catalogue *c, struct slice name);
