/* SPDX-License-Identifier: Apache-2.0 */
/* `run`: puts the calling process into a cgroup of the workload it is to be. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/anchor.h"
#include "daemon/control.h"
#include "daemon/edition.h"
#include "daemon/runs.h"
#include "daemon/users.h"
#include "dataplane/cgroup.h"
#include "egret/names.h"
#include "identity/identity.h"

/* Whether a rule of `run` lets the peer be that workload; NULL: any at all. */
static bool rule_allows(const struct config_run *rule, const struct control_peer *peer,
			const char *workload)
{
	if (!users_is(rule->name, rule->is_group, peer->uid, peer->gid, peer->groups,
		      peer->n_groups))
		return false;
	if (!workload)
		return rule->workloads.n > 0;
	for (size_t i = 0; i < rule->workloads.n; i++)
		if (strcmp(rule->workloads.v[i], "*") == 0 ||
		    strcmp(rule->workloads.v[i], workload) == 0)
			return true;
	return false;
}

bool control_run_may(void *ctx, const struct control_peer *peer, const json_t *args)
{
	const struct monitor *m = ctx;
	const char *workload = json_string_value(json_object_get(args, "workload"));

	for (size_t i = 0; i < m->config->n_run; i++)
		if (rule_allows(&m->config->run[i], peer, workload))
			return true;
	return false;
}

/* Who names none gets the first that a rule gives it, or the only one there is. */
static bool choose_workload(const struct monitor *m, const struct control_peer *peer, char *to,
			    size_t size)
{
	const struct policy *p = m->edition->policy;

	for (size_t i = 0; i < m->config->n_run; i++) {
		const struct config_run *rule = &m->config->run[i];

		if (!rule_allows(rule, peer, NULL) || strcmp(rule->workloads.v[0], "*") == 0)
			continue;
		(void)slice_copy(slice_str(rule->workloads.v[0]), to, size);
		return true;
	}
	if (policy_workloads(p) != 2)
		return false;
	(void)slice_copy(policy_workload_name(p, 1), to, size);
	return true;
}

static json_t *placeholders(const struct edition *e)
{
	json_t *env = json_object();

	for (unsigned i = 0; env && i < catalogue_providers(e->catalogue); i++) {
		const struct catalogue_provider *p = catalogue_provider(e->catalogue, i);

		for (size_t k = 0; k < p->n_env; k++)
			(void)json_object_setn_new(
				env, p->env[k].p, p->env[k].n,
				json_stringn(p->placeholder.p, p->placeholder.n));
	}
	return env;
}

static json_t *governed_hosts(const struct edition *e)
{
	json_t *hosts = json_array();

	for (unsigned i = 0; hosts && i < catalogue_providers(e->catalogue); i++) {
		const struct catalogue_provider *p = catalogue_provider(e->catalogue, i);

		for (size_t k = 0; k < p->n_hosts; k++)
			(void)json_array_append_new(hosts,
						    json_stringn(p->hosts[k].p, p->hosts[k].n));
	}
	return hosts;
}

static void answer(struct monitor *m, struct request *req, const char *workload, const char *dir)
{
	char path[4608] = "";
	uint64_t id;

	if (cgroup_id(dir, &id) < 0 ||
	    identity_cgroup_path(m->identity, id, path, sizeof(path)) < 0)
		(void)slice_copy(slice_str(dir), path, sizeof(path));
	request_end(req, json_pack("{ss ss ss ss so so}", "workload", workload, "cgroup_path", path,
				   "ca_cert", anchor_cert(m->anchor), "ca_bundle",
				   anchor_bundle(m->anchor), "env", placeholders(m->edition),
				   "hosts", governed_hosts(m->edition)));
}

static void refuse(struct request *req, int error)
{
	if (error == -ESRCH)
		request_error(req, "not_found", "the process that asked is gone");
	else if (error == -EMFILE)
		request_error(req, "busy", "%u commands run already: wait for one to end",
			      RUNS_MAX);
	else
		request_error(req, "failed",
			      "the process cannot be moved into a cgroup of its own: %s: see "
			      "`egret check`",
			      strerror(-error));
}

/* What a workload starts is that workload: it must not make itself another by asking, whatever its
 * user may be. What can't be seen is refused. */
static bool may_leave_run(const struct monitor *m, const struct control_peer *peer,
			  const char *workload)
{
	char base[4608], own[EG_NAME_MAX] = "";
	uint64_t id;
	int r;

	r = cgroup_id(runs_base(m->runs), &id);
	if (r == -ENOENT)
		return true; /* nobody is in there yet */
	if (r == 0)
		r = identity_cgroup_path(m->identity, id, base, sizeof(base));
	if (r == 0)
		r = runs_workload_of(base, peer->pid, own, sizeof(own));
	return r == 0 || (r > 0 && strcmp(own, workload) == 0);
}

/* The same for a workload that is so by its cgroup, unit or container: it would leave also the
 * modes that lie there. One that everything belongs to holds nobody. */
static bool may_leave_cgroup(const struct monitor *m, const struct control_peer *peer,
			     const char *workload)
{
	char path[4608];
	struct eg_flow flow;
	uint32_t own;

	if (identity_flow_of(m->identity, peer->pid, &flow) < 0 ||
	    identity_cgroup_path(m->identity, flow.cgroup, path, sizeof(path)) < 0)
		return false;
	own = identity_cgroup_workload(m->identity, slice_str(path));
	return own == 0 || own == identity_cgroup_workload(m->identity, SLICE("/")) ||
	       slice_eq(policy_workload_name(m->edition->policy, own), slice_str(workload));
}

static bool may_become(const struct monitor *m, const struct control_peer *peer,
		       const char *workload)
{
	return peer->uid == 0 ||
	       (may_leave_run(m, peer, workload) && may_leave_cgroup(m, peer, workload));
}

/* Somebody who is to be a workload and would be another, or nobody, had better know it now. */
static bool can_be(struct monitor *m, struct request *req, const char *workload)
{
	const struct policy *p = m->edition->policy;
	const struct control_peer *peer = request_peer(req);
	uint32_t first;
	int r = identity_may_run(m->identity,
				 (uint32_t)policy_find_workload(p, slice_str(workload)), peer->uid,
				 peer->gid, &first);

	if (r == -EEXIST)
		request_error(req, "not_allowed",
			      "a command of user %u would be workload \"" SLICE_FMT
			      "\", which comes before \"%s\" in the policy and matches it too: "
			      "move \"%s\" up there",
			      peer->uid, SLICE_ARG(policy_workload_name(p, first)), workload,
			      workload);
	else if (r < 0)
		request_error(req, "not_allowed",
			      "nothing in \"match\" of workload \"%s\" holds for a command that "
			      "user %u runs: add { \"run\": true } to it in the policy",
			      workload, peer->uid);
	return r == 0;
}

void control_run(void *ctx, struct request *req)
{
	const struct control_peer *peer = request_peer(req);
	struct monitor *m = ctx;
	char dir[4608], chosen[EG_NAME_MAX];
	const json_t *unmatched = json_object_get(request_args(req), "unmatched");
	const char *workload;
	int r;

	if (!request_string(req, "workload", &workload))
		return;
	if (unmatched && !json_is_boolean(unmatched)) {
		request_error(req, "bad_request", "unmatched: must be true or false");
		return;
	}
	if (!workload && choose_workload(m, peer, chosen, sizeof(chosen)))
		workload = chosen;
	if (!workload || policy_find_workload(m->edition->policy, slice_str(workload)) <= 0) {
		request_error(req, "not_found",
			      "%s%s%s: name one of `egret workload list` with --workload",
			      workload ? "the policy has no workload \""
				       : "which workload is not clear",
			      workload ? workload : "", workload ? "\"" : "");
		return;
	}
	if (peer->pid == 0) {
		request_error(req, "failed",
			      "the process is in a pid namespace that cannot be "
			      "seen from the host: run it outside");
		return;
	}
	if (!may_become(m, peer, workload)) {
		request_error(req, "not_allowed",
			      "the process is another workload already, and cannot become "
			      "\"%s\": start the command outside of it",
			      workload);
		return;
	}
	if (!json_is_true(unmatched) && !can_be(m, req, workload))
		return;
	r = runs_enter(m->runs, workload, peer->pid, peer->pidfd, peer->uid, dir, sizeof(dir));
	if (r < 0) {
		refuse(req, r);
		return;
	}
	log_info("run: pid=%d uid=%u workload=%s", (int)peer->pid, peer->uid, workload);
	answer(m, req, workload, dir);
}
