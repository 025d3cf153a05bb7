/* SPDX-License-Identifier: Apache-2.0 */
/* `prog list`, `map list|dump`: the kernel side as it is. */
#include <string.h>

#include "base/clock.h"
#include "control/rows.h"
#include "daemon/control.h"
#include "daemon/edition.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"
#include "egret/rpc.h"

struct listing {
	struct monitor *m;
	struct request *req;
	uint64_t now_ns;
};

static void end(struct request *req, int r, const char *object)
{
	if (r < 0 && r != -EPIPE)
		request_error(req, "unavailable", "%s: the kernel cannot say: %s", object,
			      strerror(-r));
	else
		request_end(req, NULL);
}

static int prog_row(void *ctx, const struct inspect_prog *p)
{
	return request_row(ctx, rows_prog(p));
}

void control_prog_list(void *ctx, struct request *req)
{
	const struct monitor *m = ctx;

	end(req, inspect_progs(dataplane_inspect(m->dp), prog_row, req), "programs");
}

static int map_row(void *ctx, const struct inspect_map *map)
{
	return request_row(ctx, rows_map(map));
}

void control_map_list(void *ctx, struct request *req)
{
	const struct monitor *m = ctx;

	end(req, inspect_maps(dataplane_inspect(m->dp), map_row, req), "maps");
}

static int flow_row(void *ctx, const struct eg_flow *flow)
{
	struct listing *l = ctx;
	char name[EG_NAME_MAX];

	return request_row(l->req, rows_flow(flow,
					     edition_provider(l->m->edition, flow->provider - 1,
							      name, sizeof(name)),
					     l->now_ns));
}

static int count_row(void *ctx, json_t *row)
{
	return request_row(ctx, row);
}

static int dump_counts(const struct inspect *in, struct request *req)
{
	struct inspect_counts *counts = malloc(sizeof(*counts));
	int r = counts ? inspect_counts(in, counts) : -ENOMEM;

	if (r == 0)
		r = rows_counts(counts, count_row, req);
	free(counts);
	return r;
}

void control_map_dump(void *ctx, struct request *req)
{
	struct listing l = { .m = ctx, .req = req, .now_ns = clock_mono_us() * 1000 };
	const struct inspect *in = dataplane_inspect(l.m->dp);
	const char *name;

	if (!request_string(req, "name", &name))
		return;
	if (name && strcmp(name, "eg_endpoint") == 0)
		control_endpoint_dump(ctx, req);
	else if (name && strcmp(name, "eg_count") == 0)
		end(req, dump_counts(in, req), name);
	else if (name && strcmp(name, "eg_cflow") == 0)
		end(req, inspect_flows(in, flow_row, &l), name);
	else
		request_error(req, "bad_request",
			      "map %s: can dump eg_endpoint, eg_count and eg_cflow only",
			      name ? name : "");
}
