/* SPDX-License-Identifier: Apache-2.0 */
/* `cgroup list|show`: what holds where. */
#include <stdio.h>
#include <string.h>

#include "control/rows.h"
#include "daemon/cgroup_rows.h"
#include "daemon/control.h"
#include "daemon/edition.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"
#include "identity/identity.h"

/* The workload that a cgroup is by its path; 0: none, and 0 for what is above the first. */
static uint32_t workload_of(const struct monitor *m, struct slice path)
{
	return path.n ? identity_cgroup_workload(m->identity, path) : 0;
}

static struct slice parent_of(struct slice path)
{
	while (path.n && path.p[path.n - 1] != '/')
		path.n--;
	return slice_of(path.p, path.n ? path.n - 1 : 0);
}

static json_t *cgroup_row(const struct monitor *m, const struct cgroup_item *i)
{
	uint32_t w = workload_of(m, slice_str(i->path));
	struct slice name = w ? policy_workload_name(m->edition->policy, w) : slice_of(NULL, 0);
	json_t *row = rows_cgroup(i);

	if (row && name.p)
		(void)json_object_set_new(row, "workload", json_stringn(name.p, name.n));
	return row;
}

/* Where something begins: the attached cgroup, a mode, a workload. */
static int list_one(struct monitor *m, struct request *req, const struct cgroup_item *i)
{
	struct slice path = slice_str(i->path);

	if (i->depth && !i->has_own && !json_is_true(json_object_get(request_args(req), "all")) &&
	    workload_of(m, path) == workload_of(m, parent_of(path)))
		return 0;
	return request_row(req, cgroup_row(m, i));
}

void control_cgroup_list(void *ctx, struct request *req)
{
	const json_t *all = json_object_get(request_args(req), "all");

	if (all && !json_is_boolean(all)) {
		request_error(req, "bad_request", "all: must be true or false");
		return;
	}
	cgroup_rows(ctx, req, list_one, NULL);
}

static int count(void *ctx, const struct eg_learned_entry *e)
{
	(void)e;
	++*(unsigned *)ctx;
	return 0;
}

static int hook_row(void *ctx, const struct inspect_hook *h)
{
	return request_row(ctx, rows_hook(h));
}

static int show_one(struct monitor *m, struct request *req, const struct cgroup_item *i)
{
	const struct inspect *in = dataplane_inspect(m->dp);
	const char *path = json_string_value(json_object_get(request_args(req), "path"));
	unsigned learned = 0;
	char dir[32];
	json_t *end;

	if (strcmp(i->path, path) != 0)
		return 0;
	(void)snprintf(dir, sizeof(dir), "/proc/self/fd/%d", i->fd);
	(void)!inspect_learned(in, i->fd, count, &learned);
	(void)!inspect_hooks(in, dir, hook_row, req);
	end = cgroup_row(m, i);
	if (end)
		(void)json_object_set_new(end, "learned", json_integer(learned));
	request_on_gone(req, NULL, NULL);
	request_end(req, end);
	return CGROUP_ROWS_ENDED;
}

void control_cgroup_show(void *ctx, struct request *req)
{
	const char *path;

	if (!request_string(req, "path", &path))
		return;
	if (!path || path[0] != '/') {
		request_error(req, "bad_request",
			      "\"%.256s\" is no path below the cgroup mount, such as "
			      "/system.slice: `egret cgroup tree` shows them",
			      path ? path : "");
		return;
	}
	cgroup_rows(ctx, req, show_one, path);
}
