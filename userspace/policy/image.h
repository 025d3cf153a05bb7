/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled policy as it lies in memory: a head, then sections of fixed-width records that name
 * one another by number. Written by emit.h, read through policy.h, shared by nobody else. Same
 * host, same binary: host byte order.
 *
 * Rules stand in four runs: active deny, active allow, shadow deny, shadow allow; within a run
 * those with the same conditions side by side. For each workload, provider, kind and model pattern
 * there is the set of rules whose conditions on it hold; a decision intersects four of them and
 * takes, of a run, the rule that stands first in the document.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define IMAGE_MAGIC	    0x6c6f7065u /* "epol" */
#define IMAGE_VERSION	    1
#define IMAGE_MAX	    (64u << 20)

#define IMAGE_RULES_MAX	    16384u
#define IMAGE_WORKLOADS_MAX 16384u
#define IMAGE_NONE	    UINT32_MAX

struct image_ref { /* of `text` */
	uint32_t at, n;
};

struct image_workload {
	struct image_ref name;
	uint32_t set; /* position in `bits` */
	uint32_t direct_keys; /* enum policy_direct_keys */
	uint32_t first_label, n_labels;
	uint32_t next; /* number + 1 of another with the same slot, always lower; 0: none */
};

struct image_pair {
	struct image_ref name, value;
};

struct image_provider {
	struct image_ref name, trust;
	uint32_t set;
};

struct image_kind {
	struct image_ref name;
	uint32_t set;
	uint32_t has_model; /* 1: some operation of this kind takes its model from the body */
};

enum image_rule_flag {
	IMAGE_RULE_UNKNOWN = 1u << 0, /* its workload condition names `unknown` */
	IMAGE_RULE_MODEL = 1u << 1, /* has a condition on the model */
};

struct image_rule {
	struct image_ref id, text, credential;
	uint64_t max_tokens;
	uint32_t first_header, n_headers; /* of `headers` */
	uint32_t first_cond, n_conds;
	uint32_t flags;
	uint32_t position; /* in the document */
};

/* In the order in which explain.h tries them. */
#define IMAGE_DIMS(X)                                                                              \
	X(WORKLOAD, "workload")                                                                    \
	X(LABEL, "label")                                                                          \
	X(PROVIDER, "provider")                                                                    \
	X(TRUST, "trust")                                                                          \
	X(MODEL, "model")                                                                          \
	X(OPERATION, "operation")

enum image_dim {
#define X(name, text) IMAGE_DIM_##name,
	IMAGE_DIMS(X)
#undef X
		IMAGE_DIM_COUNT
};

struct image_cond {
	uint32_t dim; /* enum image_dim */
	struct image_ref label; /* its name, for IMAGE_DIM_LABEL */
	struct image_ref wanted; /* all values, as written, for people */
	uint32_t first_value, n_values;
};

struct image_pattern {
	struct image_ref text;
	uint32_t set;
	uint32_t shape;
	uint32_t next; /* as in image_workload */
};

/* How much of both ends of a model is hashed to find patterns; prefix IMAGE_EXACT: all of it. */
struct image_shape {
	uint16_t prefix, suffix;
};
#define IMAGE_EXACT UINT16_MAX

#define IMAGE_SECTIONS(X)                                                                          \
	X(text, char)                                                                              \
	X(workloads, struct image_workload)                                                        \
	X(workload_slots, uint32_t) /* by hash of the name: number + 1 */                          \
	X(labels, struct image_pair)                                                               \
	X(providers, struct image_provider)                                                        \
	X(kinds, struct image_kind)                                                                \
	X(rules, struct image_rule)                                                                \
	X(order, uint32_t) /* rule numbers in the order of the document */                         \
	X(conds, struct image_cond)                                                                \
	X(values, struct image_ref)                                                                \
	X(headers, struct image_pair)                                                              \
	X(patterns, struct image_pattern)                                                          \
	X(pattern_slots, uint32_t)                                                                 \
	X(shapes, struct image_shape)                                                              \
	X(bits, uint64_t)

enum image_section {
#define X(name, type) IMAGE_SECTION_##name,
	IMAGE_SECTIONS(X)
#undef X
		IMAGE_SECTION_COUNT
};

enum image_run { IMAGE_DENY, IMAGE_ALLOW, IMAGE_SHADOW_DENY, IMAGE_SHADOW_ALLOW, IMAGE_RUN_COUNT };

struct image_head {
	uint32_t magic, version;
	uint64_t size;
	uint32_t run_end[IMAGE_RUN_COUNT]; /* number of the first rule behind each run */
	uint32_t any_workload; /* set: rules without a condition on workload or label */
	uint32_t any_model; /* set: rules without a condition on the model */
	struct {
		uint64_t at, n; /* bytes from the head, records */
	} section[IMAGE_SECTION_COUNT];
};

/* The sections of a checked image; borrowed from it. */
struct image {
	const struct image_head *head;
#define X(name, type)                                                                              \
	const type *name;                                                                          \
	size_t n_##name;
	IMAGE_SECTIONS(X)
#undef X
};

/* Checks everything that readers rely on: after 0, no number or offset in it leads outside.
 * `mem` must not change afterwards. -EINVAL: not an image, or damaged. */
int image_check(const void *mem, size_t n, struct image *ret) _must_check_;

static inline struct slice image_text(const struct image *im, struct image_ref r)
{
	return slice_of(im->text + r.at, r.n);
}

/* Slot of a name, or of a model's ends, in a table of a power of two. ASCII case does not count. */
uint32_t image_slot(size_t n_slots, struct slice a, struct slice b);
/* The ends of a model that a shape looks at; false: too short. */
bool image_ends(struct image_shape shape, struct slice model, struct slice *ret_prefix,
		struct slice *ret_suffix);
