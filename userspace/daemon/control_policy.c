/* SPDX-License-Identifier: Apache-2.0 */
/* `policy check|load|show|explain`. */
#include <string.h>

#include "daemon/control.h"
#include "daemon/credential_rules.h"
#include "daemon/edition.h"
#include "daemon/reload.h"
#include "identity/identity.h"
#include "policy/answer.h"
#include "policy/explain.h"
#include "policy/question.h"

static json_t *text(struct slice s)
{
	return json_stringn(s.p, s.n);
}

/* A policy that came with the request, and the name it goes by; p NULL: none came. */
struct given {
	struct slice text;
	const char *name;
};

/* False: the request has been answered. */
static bool take_policy(struct request *req, struct given *ret)
{
	json_t *v = json_object_get(request_args(req), "policy");

	*ret = (struct given){ .name = NULL };
	if (!request_string(req, "file", &ret->name))
		return false;
	if (v && !json_is_string(v)) {
		request_error(req, "bad_request", "policy: must be a string");
		return false;
	}
	if (v)
		ret->text = slice_of(json_string_value(v), json_string_length(v));
	if (!ret->name)
		ret->name = "policy";
	return true;
}

static json_t *counts(const struct edition *e)
{
	return json_pack("{sI sI}", "workloads", (json_int_t)policy_workloads(e->policy) - 1,
			 "rules", (json_int_t)policy_rules(e->policy));
}

/* What is sound and will still surprise somebody. */
static json_t *judged(const struct monitor *m, const struct edition *e)
{
	json_t *end = counts(e), *texts = credential_rules_unserved(e->policy, m->credentials);

	if (json_array_size(texts))
		(void)json_object_set(end, "warnings", texts);
	json_decref(texts);
	return end;
}

static int compile(struct monitor *m, const struct given *g, struct diag *d, struct edition **ret)
{
	const struct edition_from from = { .catalogue = &m->config->catalogue,
					   .policy = g->name,
					   .text = &g->text };

	return edition_new(&from, 0, d, ret);
}

/* To compile takes the monitor's time, so others than root do it themselves (cli/trial.h). */
void control_policy_check(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct edition *e = NULL;
	struct diag d = { 0 };
	struct given given;
	int r;

	if (!take_policy(req, &given))
		return;
	if (!given.text.p) {
		request_error(req, "bad_request", "a policy must come with it");
		return;
	}
	r = compile(m, &given, &d, &e);
	if (r == 0)
		r = identity_check(e->doc, &d);
	if (r < 0)
		request_diag(req, "bad_policy", &d);
	else
		request_end(req, judged(m, e));
	(void)edition_free(e);
}

void control_policy_load(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct diag d = { 0 };
	struct given given;
	json_t *end;

	if (!take_policy(req, &given))
		return;
	if (!given.text.p && json_object_get(request_args(req), "file")) {
		request_error(req, "bad_request", "%s: what it says must come with the request",
			      given.name);
		return;
	}
	if (reload_policy(m, given.text.p ? &given.text : NULL, given.name, &d) < 0) {
		request_diag(req, "bad_policy", &d);
		return;
	}
	end = judged(m, m->edition);
	(void)json_object_set_new(end, "source", json_string(m->edition->source));
	(void)json_object_set_new(end, "generation", json_integer(m->edition->generation));
	request_end(req, end);
}

static int show_row(void *ctx, const struct policy_explained *e)
{
	return request_row(ctx, json_pack("{so ss sb}", "id", text(e->id), "effect", e->effect,
					  "shadow", e->shadow));
}

void control_policy_show(void *ctx, struct request *req)
{
	const struct monitor *m = ctx;
	const struct edition *e = m->edition;
	const json_t *with_text = json_object_get(request_args(req), "text");
	json_t *end;

	if (with_text && !json_is_boolean(with_text)) {
		request_error(req, "bad_request", "text: must be true or false");
		return;
	}
	(void)!policy_explain(e->policy, NULL, show_row, req);
	end = counts(e);
	(void)json_object_set_new(end, "source", json_string(e->source));
	(void)json_object_set_new(end, "generation", json_integer(e->generation));
	(void)json_object_set_new(end, "loaded_us", json_integer((json_int_t)e->loaded_us));
	if (json_is_true(with_text))
		(void)json_object_set_new(end, "text", text(buf_slice(&e->text)));
	request_end(req, end);
}

/* ---- explain ---- */

static int explain_row(void *ctx, const struct policy_explained *e)
{
	return request_row(ctx, answer_rule(e));
}

static json_t *decision(const struct edition *e, const struct policy_facts *facts)
{
	struct policy_decision d;

	policy_decide(e->policy, facts, &d);
	return answer_decision(&d);
}

/* Names to indexes; answers the request itself when one is missing or unknown. */
static bool read_facts(struct request *req, const struct edition *e, struct policy_facts *ret)
{
	struct question q;
	struct diag d = { 0 };
	int r;

	if (!request_string(req, "workload", &q.workload) ||
	    !request_string(req, "provider", &q.provider) ||
	    !request_string(req, "operation", &q.operation) ||
	    !request_string(req, "model", &q.model))
		return false;
	if (!q.workload || !q.provider || !q.operation) {
		request_error(req, "bad_request", "workload, provider and operation are needed");
		return false;
	}
	r = question_facts(&q, e->policy, e->catalogue, &d, ret);
	if (r < 0)
		request_diag(req, r == -ENOENT ? "not_found" : "bad_request", &d);
	return r == 0;
}

void control_policy_explain(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct edition *other = NULL;
	const struct edition *e = m->edition;
	struct policy_facts facts;
	struct diag d = { 0 };
	struct given given;

	if (!take_policy(req, &given))
		return;
	if (given.text.p && request_peer(req)->uid != 0) {
		request_error(req, "not_allowed",
			      "a policy of one's own: run it as root, or with --offline");
		return;
	}
	if (given.text.p) {
		if (compile(m, &given, &d, &other) < 0) {
			request_diag(req, "bad_policy", &d);
			return;
		}
		e = other;
	}
	if (read_facts(req, e, &facts)) {
		(void)!policy_explain(e->policy, &facts, explain_row, req);
		request_end(req, decision(e, &facts));
	}
	(void)edition_free(other);
}
