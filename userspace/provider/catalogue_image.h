/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue's image: what catalogue_compile() writes and catalogue_open() reads. Flat arrays
 * and one hash table, every reference an offset or a position, so that it can be mapped anywhere.
 * Only the catalogue_*.c files include this. The image never leaves the host: host byte order.
 *
 * All look-ups go through the one table of `entry`, open addressing with linear probing. Its keys
 * are (class, node, text):
 *
 *   HOST       0     api.openai.com        -> provider
 *   EDGE       node  openai, *, *-aip      -> node: labels of host patterns, from the right; root 0
 *   EDGE       node  v1, {}, {}:verb       -> node: segments of paths; root in the provider
 *   END        node  POST                  -> template
 *   PROVIDER   0     openai                -> provider
 *   KIND       0     chat                  -> kind
 *   FIELD      0     xi-api-key            -> provider: fields in which one takes its credential
 *   KEY_PREFIX 0     sk-ant-               -> provider
 *   PLACEHOLDER 0    sk-egret-placeholder  -> provider
 *
 * Neither '*' nor '{' can stand in a name or segment that is looked up, so they need no class.
 */
#pragma once

#include "base/hash.h"
#include "base/slice.h"
#include "egret/abi.h"

#define IMAGE_MAGIC		 0x74636765u /* "egct" */
#define IMAGE_VERSION		 1u
#define IMAGE_MAX		 (16u << 20)

#define IMAGE_PATTERN_LABELS_MAX 12 /* labels of a host pattern */
#define IMAGE_SEGMENTS_MAX	 16 /* segments of a path */
#define IMAGE_KEY_PREFIX_MAX	 63
#define IMAGE_PLACEHOLDER_MAX	 128

enum image_class {
	IMAGE_EMPTY,
	IMAGE_HOST,
	IMAGE_EDGE,
	IMAGE_END,
	IMAGE_PROVIDER,
	IMAGE_KIND,
	IMAGE_FIELD,
	IMAGE_KEY_PREFIX,
	IMAGE_PLACEHOLDER,
	IMAGE_CLASS_COUNT
};

struct image_ref {
	uint32_t off, n; /* bytes of section `strings` */
};

struct image_list {
	uint32_t first, n; /* elements of section `refs` */
};

struct image_provider {
	struct image_ref name, trust, dialect, credential_field, credential_prefix, placeholder;
	struct image_list env, key_prefixes, hosts;
	uint32_t root; /* node at which its paths begin */
	uint32_t pad;
};

struct image_operation {
	struct image_ref name, model_path, model_from_path, stream_path;
	struct image_list max_tokens_paths, refuse_paths;
	uint32_t kind, body, has_output, pad;
};

struct image_template {
	uint32_t operation;
	uint32_t model_segment; /* position of the segment that is the model, + 1; 0: none */
};

struct image_node {
	uint32_t host_here; /* provider + 1 when a host ends here; else 0 */
	uint32_t host_below; /* provider + 1 for any labels further left; else 0 */
	uint32_t verbs; /* 1: some template here is "{x}:verb", so ':' separates */
	uint32_t pad;
};

struct image_entry {
	uint32_t class, node, value;
	struct image_ref text;
	uint32_t pad;
};

struct image_name {
	struct image_ref host;
	uint32_t provider, pad;
};

struct image_cidr {
	struct eg_endpoint_key key;
	uint32_t provider;
};

#define IMAGE_SECTIONS(X)                                                                          \
	X(strings, char)                                                                           \
	X(refs, struct image_ref)                                                                  \
	X(providers, struct image_provider)                                                        \
	X(operations, struct image_operation)                                                      \
	X(kinds, struct image_ref)                                                                 \
	X(templates, struct image_template)                                                        \
	X(nodes, struct image_node)                                                                \
	X(entries, struct image_entry)                                                             \
	X(names, struct image_name)                                                                \
	X(cidrs, struct image_cidr)

enum image_section {
#define X(name, type) IMAGE_##name,
	IMAGE_SECTIONS(X)
#undef X
		IMAGE_SECTION_COUNT
};

struct image_header {
	uint32_t magic, version, size, pad;
	uint64_t key_prefix_lengths; /* bit n: some key prefix has n bytes */
	struct {
		uint32_t off, n; /* bytes from the image's start, a multiple of 8; elements */
	} section[IMAGE_SECTION_COUNT];
};

static inline uint32_t image_hash(uint32_t class, uint32_t node, struct slice text)
{
	const uint32_t scope[2] = { class, node };
	uint64_t h = hash_bytes(hash_bytes(HASH_SEED, slice_of(scope, sizeof(scope))), text);

	return (uint32_t)(h ^ (h >> 32));
}

/* The entry with that key, or the empty one where it would go; NULL: not there and no room.
 * n is a power of two. Entries are trusted: made by the compiler, or checked by catalogue_open().
 */
static inline const struct image_entry *image_probe(const struct image_entry *entries, uint32_t n,
						    const char *strings, uint32_t class,
						    uint32_t node, struct slice text)
{
	uint32_t at = image_hash(class, node, text);

	for (uint32_t i = 0; i < n; i++) {
		const struct image_entry *e = &entries[(at + i) & (n - 1)];

		if (e->class == IMAGE_EMPTY)
			return e;
		if (e->class == class && e->node == node &&
		    slice_eq(slice_of(strings + e->text.off, e->text.n), text))
			return e;
	}
	return NULL;
}

/* Cuts the label after the last dot off *rest. */
static inline struct slice image_last_label(struct slice *rest)
{
	size_t at = rest->n;
	struct slice label;

	while (at > 0 && rest->p[at - 1] != '.')
		at--;
	label = slice_of(rest->p + at, rest->n - at);
	rest->n = at > 0 ? at - 1 : 0;
	return label;
}

/* A field's name as servers that turn '_' into '-' read it, in lower case. False: too long. */
static inline bool image_field_name(struct slice name, char to[static 64], struct slice *ret)
{
	if (name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++)
		to[i] = name.p[i] == '_' ? '-' : ascii_lower(name.p[i]);
	*ret = slice_of(to, name.n);
	return true;
}
