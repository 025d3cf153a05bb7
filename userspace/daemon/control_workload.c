/* SPDX-License-Identifier: Apache-2.0 */
/* `workload list|show|of`. */
#include <string.h>

#include "base/digest.h"
#include "base/reason.h"
#include "control/rows.h"
#include "daemon/control.h"
#include "daemon/edition.h"
#include "daemon/gather.h"
#include "identity/identity.h"
#include "policy/question.h"

static json_t *text(struct slice s)
{
	return json_stringn(s.p, s.n);
}

static json_int_t connections_of(const json_t *rows, struct slice name)
{
	json_int_t n = 0;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *w = json_object_get(json_array_get(rows, i), "workload");

		n += w && slice_eq(slice_of(json_string_value(w), json_string_length(w)), name);
	}
	return n;
}

static json_t *row_of(struct monitor *m, unsigned index, const json_t *flows)
{
	static const char *const direct[] = { "deny", "replace", "audit" };
	const struct policy *p = m->edition->policy;
	json_t *labels = edition_labels(m->edition, index);
	const char *match = identity_match_text(m->identity, index);
	struct slice name = policy_workload_name(p, index);

	return json_pack("{so ss so ss sI}", "name", text(name), "match", match, "labels",
			 labels ? json_incref(labels) : json_object(), "direct_keys",
			 direct[policy_direct_keys(p, index)], "connections",
			 connections_of(flows, name));
}

static void answer_list(struct monitor *m, struct request *req, json_t *const *stats, json_t *rows)
{
	(void)stats;
	for (unsigned i = 0; i < policy_workloads(m->edition->policy); i++)
		if (request_row(req, row_of(m, i, rows)) < 0)
			break;
	request_end(req, NULL);
}

void control_workload_list(void *ctx, struct request *req)
{
	gather(ctx, req, true, answer_list);
}

static void answer_show(struct monitor *m, struct request *req, json_t *const *stats, json_t *rows)
{
	const char *name = json_string_value(json_object_get(request_args(req), "name"));
	struct diag d = { 0 };
	int index = question_workload(name, m->edition->policy, &d);

	(void)stats;
	if (index < 0)
		request_diag(req, "not_found", &d);
	else
		request_end(req, row_of(m, (unsigned)index, rows));
}

void control_workload_show(void *ctx, struct request *req)
{
	const char *name;

	if (!request_string(req, "name", &name))
		return;
	if (!name)
		request_error(req, "bad_request", "name: a workload's name is missing");
	else
		gather(ctx, req, true, answer_show);
}

/* ---- of ---- */

struct asked {
	struct request *req; /* NULL: its server is gone */
};

static void on_request_gone(void *ctx, struct request *req, bool server_gone)
{
	struct asked *a = ctx;

	(void)req;
	if (server_gone)
		a->req = NULL;
}

static json_t *principal(const struct eg_principal *p)
{
	char hash[2 * sizeof(p->exe_sha256) + 1];
	json_t *o = json_pack("{ss ss sI sI sI sI sI}", "workload", p->name, "reason",
			      reason_name(p->reason), "pid", (json_int_t)p->pid, "start_ns",
			      (json_int_t)p->start_ns, "uid", (json_int_t)p->uid, "gid",
			      (json_int_t)p->gid, "cgroup", (json_int_t)p->cgroup);

	if (!o)
		return NULL;
	(void)json_object_set_new(o, "user", rows_text(p->user, sizeof(p->user)));
	(void)json_object_set_new(o, "exe", rows_text(p->exe, sizeof(p->exe)));
	(void)json_object_set_new(o, "cgroup_path",
				  rows_text(p->cgroup_path, sizeof(p->cgroup_path)));
	(void)json_object_set_new(o, "unit", rows_text(p->unit, sizeof(p->unit)));
	(void)json_object_set_new(o, "container", rows_text(p->container, sizeof(p->container)));
	if (p->has_hash) {
		digest_hex(p->exe_sha256, sizeof(p->exe_sha256), hash);
		(void)json_object_set_new(o, "exe_sha256", json_string(hash));
	}
	return o;
}

static void on_principal(void *ctx, const struct eg_principal *p)
{
	struct asked *a = ctx;

	if (a->req) {
		request_on_gone(a->req, NULL, NULL);
		request_end(a->req, principal(p));
	}
	free(a);
}

void control_workload_of(void *ctx, struct request *req)
{
	struct monitor *m = ctx;
	struct eg_flow flow;
	struct asked *a;
	uint64_t pid = 0;
	int r;

	if (!request_number(req, "pid", &pid))
		return;
	if (pid == 0 || pid > INT32_MAX) {
		request_error(req, "bad_request", "pid: a process's number is missing");
		return;
	}
	r = identity_flow_of(m->identity, (pid_t)pid, &flow);
	a = r == 0 ? malloc(sizeof(*a)) : NULL;
	if (!a) {
		request_error(req, r == -ESRCH ? "not_found" : "failed", "process %llu: %s",
			      (unsigned long long)pid,
			      r == -ESRCH ? "there is none with that number"
					  : strerror(r < 0 ? -r : ENOMEM));
		return;
	}
	a->req = req;
	request_on_gone(req, on_request_gone, a);
	identity_attest(m->identity, &flow, on_principal, a);
}
