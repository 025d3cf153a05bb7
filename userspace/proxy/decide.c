/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/decide.h"

#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/kept.h"
#include "proxy/record.h"
#include "proxy/rewrite.h"
#include "proxy/state.h"

/* What one allow rule asks of us, beside what another has asked already for the same request. */
static bool merge(struct policy_decision *to, const struct policy_decision *d)
{
	if (!slice_eq(to->credential, d->credential) || to->headers != d->headers ||
	    to->n_headers != d->n_headers)
		return false;
	if (d->max_tokens && (!to->max_tokens || d->max_tokens < to->max_tokens))
		to->max_tokens = d->max_tokens;
	return true;
}

static struct policy_facts facts_of(const struct exchange *x, struct slice model)
{
	return (struct policy_facts){ .workload = x->who->who.workload,
				      .provider = x->provider,
				      .kind = x->op->kind,
				      .model = model,
				      .no_model =
					      !x->op->model_path.n && !x->op->model_from_path.n };
}

static void ask(struct exchange *x, struct slice model, struct policy_decision *ret)
{
	struct policy_facts facts = facts_of(x, model);

	policy_decide(x->gen->policy, &facts, ret);
}

/* Every model of the body; the first that is denied, or does not fit the others, decides. */
static enum eg_reason ask_each(struct exchange *x, struct slice *ret_model, const char **ret_detail)
{
	struct slice model, last = { NULL, 0 };
	struct policy_decision d;

	for (size_t i = 0; inspect_model(&x->inspect, i, &model); i++) {
		if (i > 0 && slice_eq(model, last))
			continue;
		last = *ret_model = model;
		ask(x, model, &d);
		if (i == 0 || d.reason != EG_REASON_allowed)
			x->verdict = d;
		if (d.reason != EG_REASON_allowed)
			return d.reason;
		if (i > 0 && !merge(&x->verdict, &d)) {
			*ret_detail = "the models of one batch fall under rules with different "
				      "obligations; send them apart";
			x->verdict.reason = EG_REASON_no_rule;
			return EG_REASON_no_rule;
		}
	}
	return EG_REASON_allowed;
}

static enum eg_reason ask_policy(struct exchange *x, struct slice *ret_model,
				 const char **ret_detail)
{
	struct slice model;

	if (x->model_in_path.n) {
		*ret_model = x->model_in_path;
		ask(x, x->model_in_path, &x->verdict);
		return x->verdict.reason;
	}
	if (inspect_model(&x->inspect, 0, &model))
		return ask_each(x, ret_model, ret_detail);
	ask(x, SLICE(""), &x->verdict);
	return x->verdict.reason;
}

/* Why nobody knows this caller says more than that nobody does. */
static enum eg_reason sharpen(const struct exchange *x, enum eg_reason reason)
{
	enum eg_reason why = (enum eg_reason)x->who->who.reason;

	return reason == EG_REASON_unknown_workload && why != EG_REASON_allowed &&
			       why < EG_REASON_COUNT
		       ? why
		       : reason;
}

static enum eg_reason hold_to_cap(struct exchange *x)
{
	uint64_t cap = x->op->has_output ? x->verdict.max_tokens : 0;
	struct buf body;
	int r = 0;

	buf_init(&body, SIZE_MAX);
	if (cap)
		r = rewrite_cap(&x->inspect, buf_slice(&x->body), cap, x->pool, &body);
	if (r < 0)
		return EG_REASON_overloaded;
	if (x->rec)
		x->rec->max_tokens = r ? cap : rewrite_max_tokens(&x->inspect);
	if (r == 0)
		return EG_REASON_allowed;
	if (kept_replace(x, &body) < 0)
		return EG_REASON_overloaded;
	if (x->rec)
		x->rec->flags |= EG_RECORD_CAPPED;
	return EG_REASON_allowed;
}

static const char *say(struct exchange *x, struct slice model)
{
	if (x->verdict.text.n)
		return pool_printf(x->pool, SLICE_FMT, SLICE_ARG(x->verdict.text));
	return pool_printf(x->pool, "%s (" SLICE_FMT "%s" SLICE_FMT ")", x->who->who.name,
			   SLICE_ARG(x->op->name), model.n ? ", model " : "",
			   (int)(model.n < 256 ? model.n : 256), model.p ? model.p : "");
}

/* A rule that names none means the provider's own: the one that is called like it. */
static void name_credential(struct exchange *x)
{
	const struct catalogue_provider *p = catalogue_provider(x->gen->catalogue, x->provider);

	if (x->verdict.reason == EG_REASON_allowed && !x->verdict.credential.n &&
	    p->credential_field.n)
		x->verdict.credential = p->name;
}

enum eg_reason decide_request(struct exchange *x, const char **ret_detail)
{
	struct slice model = SLICE("");
	enum eg_reason reason = ask_policy(x, &model, ret_detail);

	reason = sharpen(x, reason);
	x->verdict.reason = reason;
	name_credential(x);
	record_verdict(x);
	if (x->rec)
		(void)slice_copy(model, x->rec->model, sizeof(x->rec->model));
	if (reason != EG_REASON_allowed) {
		if (!*ret_detail)
			*ret_detail = say(x, model);
		return reason;
	}
	reason = hold_to_cap(x);
	if (reason != EG_REASON_allowed)
		x->verdict.reason = reason;
	return reason;
}
