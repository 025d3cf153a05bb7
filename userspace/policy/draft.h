/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy document, read and checked: what compile.c makes of the JSON and emit.h makes an image
 * of. Everything is borrowed from the document or lives in `pool`.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"
#include "base/names.h"
#include "base/pool.h"
#include "policy/image.h"
#include "policy/policy.h"

struct catalogue;

struct draft_pair {
	struct slice name, value;
};

struct draft_workload {
	enum policy_direct_keys direct_keys;
	struct draft_pair *labels;
	size_t n_labels;
};

struct draft_members { /* workloads that carry one label with one value, ascending */
	uint32_t *workload;
	size_t n, room;
};

struct draft_cond {
	enum image_dim dim;
	struct slice label; /* its name, for IMAGE_DIM_LABEL */
	struct slice *values;
	size_t n_values;
};

struct draft_rule {
	struct slice id, text, credential;
	uint64_t max_tokens;
	bool deny, shadow;
	struct draft_cond *conds; /* sorted by `dim` */
	size_t n_conds;
	struct draft_pair *headers;
	size_t n_headers;
};

/* Zeroed but for doc, cat, d and a pool_init()ed pool before the first call. */
struct draft {
	const struct json_doc *doc;
	const struct catalogue *cat;
	struct diag *d;
	struct pool pool;
	struct names workload_names; /* 0 is `unknown` */
	struct draft_workload *workloads;
	struct names label_names;
	struct names labels; /* "name=value", in step with members */
	struct draft_members *members;
	struct names rule_ids;
	struct draft_rule *rules; /* as in the document */
	size_t n_rules;
};

/* The workloads first: rules are checked against them. -EINVAL with d filled, -ENOMEM. */
int draft_workloads(struct draft *dr, json_t *root) _must_check_;
int draft_rules(struct draft *dr, json_t *root) _must_check_;
void draft_done(struct draft *dr);

/* Number of "name=value" in `labels`; -1: no workload has it. */
int draft_find_label(const struct draft *dr, struct slice name, struct slice value);
int draft_direct_keys(const struct draft *dr, json_t *in,
		      enum policy_direct_keys *ret) _must_check_;
/* 1..63 of [A-Za-z0-9._-], the first a letter, a digit or `_`: workloads, rules, labels. */
bool draft_is_name(struct slice s);
/* A string as it stands in the document, borrowed; {NULL, 0} when it is not one. */
struct slice draft_string(const json_t *value);
