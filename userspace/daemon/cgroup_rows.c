/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/cgroup_rows.h"

#include <string.h>

#include "dataplane/cgroup.h"
#include "dataplane/dataplane.h"
#include "identity/identity.h"

#define SLICE_CGROUPS 64u /* looked at in a turn of the loop */

struct walking {
	struct monitor *m;
	struct request *req;
	cgroup_rows_fn fn;
	const char *wanted;
	struct cgroup_walk *walk;
	struct idle idle;
};

static void end(struct walking *w)
{
	idle_disarm(&w->idle);
	(void)cgroup_walk_free(w->walk);
	free(w);
}

static void on_gone(void *ctx, struct request *req, bool server_gone)
{
	end(ctx);
	if (!server_gone)
		request_end(req, NULL);
}

static void on_idle(struct idle *i)
{
	struct walking *w = container_of(i, struct walking, idle);
	struct request *req = w->req;
	const char *wanted = w->wanted;
	struct cgroup_item item;
	int more = 1, r = 0;

	for (unsigned n = 0; r == 0 && n < SLICE_CGROUPS; n++) {
		more = cgroup_walk_next(w->walk, &item);
		if (more <= 0)
			break;
		r = w->fn(w->m, req, &item);
	}
	if (r == 0 && more > 0)
		return;
	if (r != CGROUP_ROWS_ENDED)
		request_on_gone(req, NULL, NULL);
	end(w);
	if (r == CGROUP_ROWS_ENDED)
		return;
	if (wanted && r == 0)
		request_error(req, "not_found",
			      "%.512s: egret enforces no cgroup of that path: see `egret cgroup "
			      "tree --all`",
			      wanted);
	else
		request_end(req, NULL);
}

static int begin(struct walking *w)
{
	const char *dir = dataplane_cgroup(w->m->dp);
	char path[4096];
	uint64_t id;
	int r = cgroup_id(dir, &id);

	if (r == 0)
		r = identity_cgroup_path(w->m->identity, id, path, sizeof(path));
	return r < 0 ? r : cgroup_walk_new(dataplane_inspect(w->m->dp), dir, path, &w->walk);
}

void cgroup_rows(struct monitor *m, struct request *req, cgroup_rows_fn fn, const char *wanted)
{
	struct walking *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (w) {
		*w = (struct walking){ .m = m, .req = req, .fn = fn, .wanted = wanted };
		r = begin(w);
	}
	if (r < 0) {
		free(w);
		request_error(req, "unavailable", "they cannot be read: %s", strerror(-r));
		return;
	}
	request_on_gone(req, on_gone, w);
	idle_arm(&w->idle, m->loop, on_idle);
}
