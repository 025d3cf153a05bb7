/* SPDX-License-Identifier: Apache-2.0 */
/* Deciding is four sets of rules intersected, and the first rule of each run of image.h. */
#include "policy/policy.h"

#include "base/glob.h"
#include "policy/compile.h"
#include "policy/policy_private.h"
#include "policy/sets.h"

/* Patterns that may match one model at once before the fast way is left. */
#define MATCHED_MAX 32

enum by_model {
	BY_SETS, /* `model` holds the sets of every pattern that matches, and of rules without one
		  */
	BY_PATTERN, /* too many match: candidates are compared one by one */
	BY_NOTHING, /* conditions on the model are taken as met */
};

struct query {
	const struct image *im;
	const struct policy_facts *facts;
	struct set workload, any_workload, provider, kind;
	struct set model[MATCHED_MAX + 1];
	size_t n_model;
	enum by_model by;
	bool missing; /* the operation has a model, the request names none */
};

struct finding {
	uint32_t rule; /* IMAGE_NONE: none */
	enum eg_reason reason;
};

static const struct finding nothing = { IMAGE_NONE, EG_REASON_no_rule };

int policy_open(const void *mem, size_t n, struct policy **ret)
{
	struct policy *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = image_check(mem, n, &p->im);
	if (r == 0) {
		p->headers = calloc(p->im.n_headers + 1, sizeof(*p->headers));
		r = p->headers ? 0 : -ENOMEM;
	}
	if (r < 0) {
		(void)policy_free(p);
		return r;
	}
	for (size_t i = 0; i < p->im.n_headers; i++)
		p->headers[i] = (struct policy_header){
			.name = image_text(&p->im, p->im.headers[i].name),
			.value = image_text(&p->im, p->im.headers[i].value),
		};
	*ret = p;
	return 0;
}

struct policy *policy_free(struct policy *p)
{
	if (p)
		free(p->headers);
	free(p);
	return NULL;
}

static void add_patterns(struct query *q, const struct image *im, uint32_t shape,
			 struct slice model)
{
	struct slice prefix, suffix;
	uint32_t at;

	if (!image_ends(im->shapes[shape], model, &prefix, &suffix))
		return;
	at = im->pattern_slots[image_slot(im->n_pattern_slots, prefix, suffix)];
	for (; at; at = im->patterns[at - 1].next) {
		const struct image_pattern *p = &im->patterns[at - 1];

		if (p->shape != shape || !glob_match(image_text(im, p->text), model))
			continue;
		if (q->n_model == ARRAY_SIZE(q->model))
			q->by = BY_PATTERN;
		else
			q->model[q->n_model++] = set_at(im->bits, p->set, im->n_rules);
	}
}

static bool start_query(struct query *q, const struct policy *p, const struct policy_facts *facts)
{
	const struct image *im = &p->im;
	unsigned workload = facts->workload < im->n_workloads ? facts->workload : 0;

	if (facts->provider >= im->n_providers || facts->kind >= im->n_kinds)
		return false;
	q->im = im;
	q->facts = facts;
	q->workload = set_at(im->bits, im->workloads[workload].set, im->n_rules);
	/* The set of `unknown` is complete as it is: see emit.h. */
	q->any_workload =
		workload ? set_at(im->bits, im->head->any_workload, im->n_rules) : q->workload;
	q->provider = set_at(im->bits, im->providers[facts->provider].set, im->n_rules);
	q->kind = set_at(im->bits, im->kinds[facts->kind].set, im->n_rules);
	q->model[0] = set_at(im->bits, im->head->any_model, im->n_rules);
	q->n_model = 1;
	q->by = BY_SETS;
	q->missing = !facts->model.n && !facts->no_model && im->kinds[facts->kind].has_model;
	for (uint32_t i = 0; facts->model.n && i < im->n_shapes; i++)
		add_patterns(q, im, i, facts->model);
	return true;
}

/* Which of 64 words of rules, from word 64 * s, can hold a match. */
static uint64_t summary_of(const struct query *q, size_t s)
{
	uint64_t some = 0;

	for (size_t i = 0; i < q->n_model; i++)
		some |= q->model[i].summary[s];
	if (q->by != BY_SETS)
		some = UINT64_MAX;
	return some & (q->workload.summary[s] | q->any_workload.summary[s]) &
	       q->provider.summary[s] & q->kind.summary[s];
}

static uint64_t word_of(const struct query *q, size_t w)
{
	uint64_t some = 0;

	for (size_t i = 0; i < q->n_model; i++)
		some |= set_word(&q->model[i], w);
	if (q->by != BY_SETS)
		some = UINT64_MAX;
	return some & (set_word(&q->workload, w) | set_word(&q->any_workload, w)) &
	       set_word(&q->provider, w) & set_word(&q->kind, w);
}

static bool model_applies(const struct query *q, const struct image_rule *rule)
{
	for (uint32_t i = 0; i < rule->n_conds; i++) {
		const struct image_cond *c = &q->im->conds[rule->first_cond + i];
		bool one = c->dim != IMAGE_DIM_MODEL;

		for (uint32_t k = 0; k < c->n_values && !one; k++)
			one = glob_match(image_text(q->im, q->im->values[c->first_value + k]),
					 q->facts->model);
		if (!one)
			return false;
	}
	return true;
}

/* Bits of rules lo..hi-1 in word w. */
static uint64_t range_mask(size_t w, uint32_t lo, uint32_t hi)
{
	uint64_t mask = UINT64_MAX;

	if (lo > w * 64)
		mask = lo - w * 64 < 64 ? mask << (lo - w * 64) : 0;
	if (hi < w * 64 + 64)
		mask &= hi > w * 64 ? UINT64_MAX >> (w * 64 + 64 - hi) : 0;
	return mask;
}

/* The earlier in the document of `best` and the rules of word w that apply. */
static uint32_t first_in_word(const struct query *q, size_t w, uint64_t found, uint32_t best)
{
	const struct image_rule *rules = q->im->rules;

	for (; found; found &= found - 1) {
		uint32_t rule = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(found);

		if (best != IMAGE_NONE && rules[best].position < rules[rule].position)
			continue;
		if (q->by != BY_PATTERN || model_applies(q, &rules[rule]))
			best = rule;
	}
	return best;
}

/* Of the rules of a run that apply, the first in the document. */
static uint32_t first_in(const struct query *q, enum image_run run)
{
	uint32_t lo = run ? q->im->head->run_end[run - 1] : 0, hi = q->im->head->run_end[run];
	uint32_t best = IMAGE_NONE;

	for (size_t s = lo / 4096; s * 4096 < hi && lo < hi; s++) {
		for (uint64_t live = summary_of(q, s); live; live &= live - 1) {
			size_t w = s * 64 + (size_t)__builtin_ctzll(live);
			uint64_t mask = range_mask(w, lo, hi);

			if (mask)
				best = first_in_word(q, w, word_of(q, w) & mask, best);
		}
	}
	return best;
}

/* The first rule of the run that would apply had the request named a fitting model. */
static uint32_t first_for_a_model(const struct query *q, enum image_run run)
{
	struct query any = *q;

	any.by = BY_NOTHING;
	return q->missing ? first_in(&any, run) : IMAGE_NONE;
}

static struct finding find_deny(const struct query *q, enum image_run run)
{
	uint32_t rule = first_in(q, run);

	if (rule != IMAGE_NONE)
		return (struct finding){ rule, EG_REASON_denied_by_rule };
	rule = first_for_a_model(q, run);
	return rule == IMAGE_NONE ? nothing : (struct finding){ rule, EG_REASON_model_missing };
}

static struct finding find_active(const struct query *q, bool unknown, bool *ret_denied)
{
	struct finding deny = find_deny(q, IMAGE_DENY);
	uint32_t allow = IMAGE_NONE;

	*ret_denied = deny.rule != IMAGE_NONE;
	if (!*ret_denied || unknown)
		allow = first_in(q, IMAGE_ALLOW);
	/* Who belongs to no workload is told that, not what binds everybody. */
	if (unknown && allow == IMAGE_NONE &&
	    !(*ret_denied && q->im->rules[deny.rule].flags & IMAGE_RULE_UNKNOWN))
		return (struct finding){ IMAGE_NONE, EG_REASON_unknown_workload };
	if (*ret_denied)
		return deny;
	if (allow != IMAGE_NONE)
		return (struct finding){ allow, EG_REASON_allowed };
	if (first_for_a_model(q, IMAGE_ALLOW) != IMAGE_NONE)
		return (struct finding){ IMAGE_NONE, EG_REASON_model_missing };
	return nothing;
}

static struct finding find_shadow(const struct query *q, enum eg_reason active, bool denied)
{
	struct finding deny;
	uint32_t allow;

	if (denied || q->im->head->run_end[IMAGE_ALLOW] == q->im->n_rules)
		return nothing;
	deny = find_deny(q, IMAGE_SHADOW_DENY);
	if (active == EG_REASON_allowed)
		return deny;
	allow = deny.rule == IMAGE_NONE ? first_in(q, IMAGE_SHADOW_ALLOW) : IMAGE_NONE;
	return allow == IMAGE_NONE ? nothing : (struct finding){ allow, EG_REASON_allowed };
}

static void fill(const struct policy *p, struct finding f, struct policy_decision *ret)
{
	const struct image_rule *rule;

	ret->reason = f.reason;
	if (f.rule == IMAGE_NONE)
		return;
	rule = &p->im.rules[f.rule];
	ret->rule = image_text(&p->im, rule->id);
	if (f.reason == EG_REASON_denied_by_rule)
		ret->text = image_text(&p->im, rule->text);
	if (f.reason != EG_REASON_allowed)
		return;
	ret->credential = image_text(&p->im, rule->credential);
	ret->max_tokens = rule->max_tokens;
	ret->headers = p->headers + rule->first_header;
	ret->n_headers = rule->n_headers;
}

void policy_decide(const struct policy *p, const struct policy_facts *facts,
		   struct policy_decision *ret)
{
	bool unknown = !facts->workload || facts->workload >= p->im.n_workloads, denied;
	struct finding shadow;
	struct query q;

	*ret = (struct policy_decision){
		.reason = unknown ? EG_REASON_unknown_workload : EG_REASON_no_rule,
	};
	if (!start_query(&q, p, facts))
		return;
	fill(p, find_active(&q, unknown, &denied), ret);
	shadow = find_shadow(&q, ret->reason, denied);
	if (shadow.rule == IMAGE_NONE)
		return;
	ret->shadow_rule = image_text(&p->im, p->im.rules[shadow.rule].id);
	ret->shadow_reason = shadow.reason;
}

size_t policy_workloads(const struct policy *p)
{
	return p->im.n_workloads;
}

size_t policy_rules(const struct policy *p)
{
	return p->im.n_rules;
}

struct slice policy_workload_name(const struct policy *p, unsigned workload)
{
	return workload < p->im.n_workloads ? image_text(&p->im, p->im.workloads[workload].name)
					    : SLICE("");
}

int policy_find_workload(const struct policy *p, struct slice name)
{
	const struct image *im = &p->im;
	uint32_t at = im->workload_slots[image_slot(im->n_workload_slots, name, SLICE(""))];

	while (at && !slice_eq(image_text(im, im->workloads[at - 1].name), name))
		at = im->workloads[at - 1].next;
	return (int)at - 1;
}

enum policy_direct_keys policy_direct_keys(const struct policy *p, unsigned workload)
{
	return workload < p->im.n_workloads
		       ? (enum policy_direct_keys)p->im.workloads[workload].direct_keys
		       : POLICY_DIRECT_DENY;
}

bool policy_label_at(const struct policy *p, unsigned workload, size_t i, struct slice *ret_name,
		     struct slice *ret_value)
{
	const struct image_pair *label;

	if (workload >= p->im.n_workloads || i >= p->im.workloads[workload].n_labels)
		return false;
	label = &p->im.labels[p->im.workloads[workload].first_label + i];
	*ret_name = image_text(&p->im, label->name);
	*ret_value = image_text(&p->im, label->value);
	return true;
}
