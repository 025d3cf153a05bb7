/* SPDX-License-Identifier: Apache-2.0 */
/* `flow list|show`: the workers' connections, with what only the monitor knows. */
#include <string.h>

#include "control/rows.h"
#include "daemon/control.h"
#include "daemon/edition.h"
#include "daemon/gather.h"
#include "identity/identity.h"
#include "policy/question.h"

/* A member as wanted; true when nothing is. */
static bool is_wanted(const json_t *row, const char *member, const char *wanted)
{
	const char *is = json_string_value(json_object_get(row, member));

	return !wanted || (is && strcmp(is, wanted) == 0);
}

static json_t *complete(struct monitor *m, json_t *row)
{
	json_int_t cgroup = json_integer_value(json_object_get(row, "cgroup"));
	const char *known = json_string_value(json_object_get(row, "cgroup_path"));
	char path[4608];

	if ((!known || !*known) && cgroup > 0 &&
	    identity_cgroup_path(m->identity, (uint64_t)cgroup, path, sizeof(path)) == 0)
		(void)json_object_set_new(row, "cgroup_path", rows_text(path, sizeof(path)));
	return json_incref(row);
}

/* A filter that nothing can pass is a typing error; not one that something has passed, which may be
 * of before a reload. */
static bool has_unknown(const struct edition *e, const char *workload, const char *provider,
			struct diag *d)
{
	return (workload && question_workload(workload, e->policy, d) < 0) ||
	       (provider && question_provider(provider, e->catalogue, d) < 0);
}

static void answer_list(struct monitor *m, struct request *req, json_t *const *stats, json_t *rows)
{
	const json_t *args = request_args(req);
	const char *workload = json_string_value(json_object_get(args, "workload"));
	const char *provider = json_string_value(json_object_get(args, "provider"));
	struct diag d = { 0 };
	bool any = false;

	(void)stats;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		if (!is_wanted(row, "workload", workload) || !is_wanted(row, "provider", provider))
			continue;
		any = true;
		if (request_row(req, complete(m, row)) < 0)
			break;
	}
	if (!any && has_unknown(m->edition, workload, provider, &d))
		request_diag(req, "bad_request", &d);
	else
		request_end(req, NULL);
}

void control_flow_list(void *ctx, struct request *req)
{
	const char *filter;

	if (request_string(req, "workload", &filter) && request_string(req, "provider", &filter))
		gather(ctx, req, true, answer_list);
}

static void answer_show(struct monitor *m, struct request *req, json_t *const *stats, json_t *rows)
{
	json_int_t cookie = json_integer_value(json_object_get(request_args(req), "cookie"));

	(void)stats;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		if (json_integer_value(json_object_get(row, "cookie")) != cookie)
			continue;
		request_end(req, complete(m, row));
		return;
	}
	request_error(req, "not_found",
		      "flow %lld: no open connection has that cookie: see `egret flow list`",
		      (long long)cookie);
}

void control_flow_show(void *ctx, struct request *req)
{
	uint64_t cookie = 0;

	if (!request_number(req, "cookie", &cookie))
		return;
	if (cookie == 0)
		request_error(req, "bad_request", "cookie: a flow's cookie is missing");
	else
		gather(ctx, req, true, answer_show);
}
