/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the facts with each condition as written: slow, and on purpose not policy_decide()'s
 * way. */
#include "policy/explain.h"

#include "base/glob.h"
#include "policy/policy_private.h"

static const char *const dim_name[IMAGE_DIM_COUNT] = {
#define X(name, text) [IMAGE_DIM_##name] = text,
	IMAGE_DIMS(X)
#undef X
};

static struct slice fact_of(const struct policy *p, const struct policy_facts *facts,
			    const struct image_cond *c)
{
	const struct image *im = &p->im;
	struct slice name, value;

	switch ((enum image_dim)c->dim) {
	case IMAGE_DIM_WORKLOAD:
		return policy_workload_name(p, facts->workload < im->n_workloads ? facts->workload
										 : 0);
	case IMAGE_DIM_LABEL:
		for (size_t i = 0; policy_label_at(p, facts->workload, i, &name, &value); i++)
			if (slice_eq(name, image_text(im, c->label)))
				return value;
		break;
	case IMAGE_DIM_PROVIDER:
		if (facts->provider < im->n_providers)
			return image_text(im, im->providers[facts->provider].name);
		break;
	case IMAGE_DIM_TRUST:
		if (facts->provider < im->n_providers)
			return image_text(im, im->providers[facts->provider].trust);
		break;
	case IMAGE_DIM_MODEL:
		return facts->model;
	case IMAGE_DIM_OPERATION:
		if (facts->kind < im->n_kinds)
			return image_text(im, im->kinds[facts->kind].name);
		break;
	case IMAGE_DIM_COUNT:
		break;
	}
	return SLICE("");
}

static bool holds(const struct policy *p, const struct policy_facts *facts,
		  const struct image_cond *c)
{
	struct slice fact = fact_of(p, facts, c);

	for (uint32_t i = 0; i < c->n_values && fact.n; i++) {
		struct slice value = image_text(&p->im, p->im.values[c->first_value + i]);

		if (c->dim == IMAGE_DIM_MODEL ? glob_match(value, fact) : slice_eq(value, fact))
			return true;
	}
	return false;
}

static bool is_bound_to_workload(const struct policy *p, const struct image_rule *rule)
{
	for (uint32_t i = 0; i < rule->n_conds; i++) {
		uint32_t dim = p->im.conds[rule->first_cond + i].dim;

		if (dim == IMAGE_DIM_WORKLOAD || dim == IMAGE_DIM_LABEL)
			return true;
	}
	return false;
}

static void explain_rule(const struct policy *p, const struct policy_facts *facts,
			 const struct image_rule *rule, bool deny, struct policy_explained *e)
{
	bool unknown = !facts->workload || facts->workload >= p->im.n_workloads;

	for (uint32_t i = 0; i < rule->n_conds; i++) {
		const struct image_cond *c = &p->im.conds[rule->first_cond + i];

		if (holds(p, facts, c))
			continue;
		e->failed = dim_name[c->dim];
		e->label = image_text(&p->im, c->label);
		e->wanted = image_text(&p->im, c->wanted);
		e->is_open = c->dim == IMAGE_DIM_MODEL && !facts->model.n && !facts->no_model;
		if (!e->is_open)
			return;
	}
	if (unknown && !deny && !is_bound_to_workload(p, rule)) {
		e->failed = dim_name[IMAGE_DIM_WORKLOAD];
		e->wanted = SLICE("a workload of the policy");
		e->is_open = false;
		return;
	}
	e->applies = !e->is_open;
}

int policy_explain(const struct policy *p, const struct policy_facts *facts, policy_explain_fn fn,
		   void *ctx)
{
	const uint32_t *end = p->im.head->run_end;

	for (size_t i = 0; i < p->im.n_rules; i++) {
		uint32_t number = p->im.order[i];
		const struct image_rule *rule = &p->im.rules[number];
		bool shadow = number >= end[IMAGE_ALLOW];
		bool deny = number < end[shadow ? IMAGE_SHADOW_DENY : IMAGE_DENY];
		struct policy_explained e = {
			.id = image_text(&p->im, rule->id),
			.effect = deny ? "deny" : "allow",
			.shadow = shadow,
			.credential = image_text(&p->im, rule->credential),
		};
		int r;

		if (facts)
			explain_rule(p, facts, rule, deny, &e);
		r = fn(ctx, &e);
		if (r)
			return r;
	}
	return 0;
}
