/* SPDX-License-Identifier: Apache-2.0 */
/* `policy check|load|show|explain`. */
#include <string.h>

#include "daemon/control.h"
#include "daemon/edition.h"
#include "daemon/reload.h"
#include "identity/identity.h"
#include "policy/explain.h"

static const char *reason_name(enum eg_reason reason)
{
	static const char *const names[EG_REASON_COUNT] = {
#define X(name, status, error, text) [EG_REASON_##name] = #name,
		EG_REASONS(X)
#undef X
	};

	return names[reason];
}

static json_t *text(struct slice s)
{
	return json_stringn(s.p, s.n);
}

/* The descriptor that came, and the name it goes by. -ENOENT: none came. */
static int take_file(struct request *req, const char **ret_name)
{
	if (!request_string(req, "file", ret_name))
		return -EINVAL;
	return request_take_arg_fd(req);
}

static json_t *counts(const struct edition *e)
{
	return json_pack("{sI sI}", "workloads", (json_int_t)policy_workloads(e->policy) - 1,
			 "rules", (json_int_t)policy_rules(e->policy));
}

static int compile(struct monitor *m, int fd, const char *name, struct diag *d,
		   struct edition **ret)
{
	const struct edition_from from = { .catalogue = &m->config->catalogue,
					   .policy = name ? name : "policy",
					   .policy_fd = fd };

	return edition_new(&from, 0, d, ret);
}

/* Whoever asks may be no more than a reader: a file is read with the client's rights, never ours.
 */
void control_policy_check(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct edition *e = NULL;
	struct diag d = { 0 };
	_cleanup_close_ int fd = -EBADF;
	const char *name;
	int r;

	fd = take_file(req, &name);
	if (fd == -EINVAL)
		return;
	if (fd < 0) {
		request_error(req, "bad_request", "policy check: an open file must come with it");
		return;
	}
	r = compile(m, fd, name, &d, &e);
	if (r == 0)
		r = identity_check(e->doc, &d);
	if (r < 0)
		request_diag(req, "bad_policy", &d);
	else
		request_end(req, counts(e));
	(void)edition_free(e);
}

void control_policy_load(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	_cleanup_close_ int fd = -EBADF;
	struct diag d = { 0 };
	const char *name;
	json_t *end;

	fd = take_file(req, &name);
	if (fd == -EINVAL)
		return;
	if (fd < 0 && name) {
		request_error(req, "bad_request",
			      "policy load: %s: the file must come open with the request", name);
		return;
	}
	if (reload_policy(m, fd, name ? name : "policy", &d) < 0) {
		request_diag(req, "bad_policy", &d);
		return;
	}
	end = counts(m->edition);
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
	json_t *row = json_pack("{so ss sb sb}", "id", text(e->id), "effect", e->effect, "shadow",
				e->shadow, "applies", e->applies);

	if (row && e->failed)
		(void)json_object_set_new(row, "failed", json_string(e->failed));
	if (row && e->label.n)
		(void)json_object_set_new(row, "label", text(e->label));
	if (row && e->wanted.n)
		(void)json_object_set_new(row, "wanted", text(e->wanted));
	return request_row(ctx, row);
}

static json_t *decision(const struct edition *e, const struct policy_facts *facts)
{
	struct policy_decision d;
	json_t *end;

	policy_decide(e->policy, facts, &d);
	end = json_pack("{ss}", "decision", reason_name(d.reason));
	if (end && d.rule.n)
		(void)json_object_set_new(end, "rule", text(d.rule));
	if (end && d.text.n)
		(void)json_object_set_new(end, "text", text(d.text));
	if (end && d.credential.n)
		(void)json_object_set_new(end, "credential", text(d.credential));
	if (end && d.max_tokens)
		(void)json_object_set_new(end, "max_tokens",
					  json_integer((json_int_t)d.max_tokens));
	if (end && d.shadow_rule.n) {
		(void)json_object_set_new(end, "shadow_rule", text(d.shadow_rule));
		(void)json_object_set_new(end, "shadow_decision",
					  json_string(reason_name(d.shadow_reason)));
	}
	return end;
}

/* Names to indexes; answers the request itself when one is missing or unknown. */
static bool read_facts(struct request *req, const struct edition *e, struct policy_facts *ret)
{
	const char *workload, *provider, *operation, *model;
	int w, p, k;

	if (!request_string(req, "workload", &workload) ||
	    !request_string(req, "provider", &provider) ||
	    !request_string(req, "operation", &operation) || !request_string(req, "model", &model))
		return false;
	if (!workload || !provider || !operation) {
		request_error(req, "bad_request",
			      "policy explain: workload, provider and operation are needed");
		return false;
	}
	w = policy_find_workload(e->policy, slice_str(workload));
	p = catalogue_find_provider(e->catalogue, slice_str(provider));
	k = catalogue_find_kind(e->catalogue, slice_str(operation));
	if (w < 0 || p < 0 || k < 0) {
		request_error(req, "not_found", "%s %s: there is none of that name",
			      w < 0   ? "workload"
			      : p < 0 ? "provider"
				      : "operation",
			      w < 0   ? workload
			      : p < 0 ? provider
				      : operation);
		return false;
	}
	*ret = (struct policy_facts){ .workload = (unsigned)w,
				      .provider = (unsigned)p,
				      .kind = (unsigned)k,
				      .model = slice_str(model) };
	return true;
}

void control_policy_explain(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	_cleanup_close_ int fd = -EBADF;
	struct edition *other = NULL;
	const struct edition *e = m->edition;
	struct policy_facts facts;
	struct diag d = { 0 };
	const char *name;

	fd = take_file(req, &name);
	if (fd == -EINVAL)
		return;
	if (fd >= 0) {
		if (compile(m, fd, name, &d, &other) < 0) {
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
