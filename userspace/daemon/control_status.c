/* SPDX-License-Identifier: Apache-2.0 */
/* `status`: the daemon and its processes at a glance. */
#include <stdio.h>

#include "daemon/children.h"
#include "daemon/control.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "daemon/gather.h"
#include "daemon/role.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"

static json_t *child_row(const struct child *c, json_t *stats)
{
	static const char *const states[] = { "dead", "starting", "ready", "dead" };
	bool is_old = child_is_adopted(c) && child_pid(c);
	json_t *row = json_pack("{ss sI ss sI sI}", "role", role_name(child_role(c)), "index",
				(json_int_t)child_index(c), "state",
				is_old ? "draining" : states[child_state(c)], "restarts",
				(json_int_t)child_restarts(c), "started_us",
				(json_int_t)child_started_us(c));

	if (row && child_pid(c))
		(void)json_object_set_new(row, "pid", json_integer(child_pid(c)));
	if (row && json_is_object(stats))
		(void)json_object_update(row, stats);
	return row;
}

static int count_attached(void *ctx, const struct inspect_prog *p)
{
	unsigned *counts = ctx;

	counts[0] += p->attached;
	counts[1]++;
	return 0;
}

static int count_one(void *ctx, const struct eg_endpoint_key *key, const struct eg_endpoint *e)
{
	unsigned *n = ctx;

	(void)key;
	(void)e;
	(*n)++;
	return 0;
}

static json_t *daemon_end(struct monitor *m)
{
	const struct inspect *in = dataplane_inspect(m->dp);
	const struct edition *e = m->edition;
	unsigned hooks[2] = { 0 }, endpoints = 0;
	json_t *end, *policy;

	(void)!inspect_progs(in, count_attached, hooks);
	(void)!inspect_endpoints(in, count_one, &endpoints);
	policy = json_pack("{ss sI sI}", "source", e->source, "generation",
			   (json_int_t)e->generation, "loaded_us", (json_int_t)e->loaded_us);
	end = json_pack("{ss sI ss sI ss ss ss so}", "version", EGRET_VERSION, "pid",
			(json_int_t)getpid(), "phase", monitor_phase_name(m->phase), "started_us",
			(json_int_t)m->started_us, "cgroup", dataplane_cgroup(m->dp), "run_dir",
			m->config->run_dir, "state_dir", m->config->state_dir, "policy", policy);
	if (!end)
		return NULL;
	(void)json_object_set_new(end, "generation", json_integer((json_int_t)m->generation));
	if (m->where->file && access(m->where->file, F_OK) == 0)
		(void)json_object_set_new(end, "config", json_string(m->where->file));
	(void)json_object_set_new(end, "hooks", json_integer(hooks[0]));
	(void)json_object_set_new(end, "hooks_total", json_integer(hooks[1]));
	(void)json_object_set_new(end, "endpoints", json_integer(endpoints));
	(void)json_object_set_new(end, "credentials",
				  json_integer((json_int_t)credentials_loaded(m->credentials)));
	(void)json_object_set_new(end, "credentials_total",
				  json_integer((json_int_t)credentials_total(m->credentials)));
	(void)json_object_set_new(end, "warnings", warnings_json(m->warnings));
	return end;
}

static void answer(struct monitor *m, struct request *req, json_t *const *stats, json_t *rows)
{
	(void)rows;
	for (size_t i = 0; i < children_count(m->children); i++) {
		const struct child *c = children_at(m->children, i);

		if (child_is_adopted(c) && !child_pid(c))
			continue;
		if (request_row(req, child_row(c, stats[i])) < 0)
			break;
	}
	request_end(req, daemon_end(m));
}

void control_status(void *ctx, struct request *req)
{
	gather(ctx, req, false, answer);
}
