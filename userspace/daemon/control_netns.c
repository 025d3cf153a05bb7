/* SPDX-License-Identifier: Apache-2.0 */
/* `netns list`. */
#include <string.h>

#include "control/rows.h"
#include "daemon/control.h"
#include "daemon/namespaces.h"
#include "identity/identity.h"

struct listing {
	struct monitor *m;
	struct request *req;
};

static int netns_row(void *ctx, const struct namespaces_state *s)
{
	struct listing *l = ctx;
	char path[4096];
	json_t *row;

	if (identity_cgroup_path(l->m->identity, s->cgroup, path, sizeof(path)) < 0)
		path[0] = '\0';
	row = json_pack("{sI sI sI so sI sb sb ss sI sI}", "netns", (json_int_t)s->netns, "ino",
			(json_int_t)s->ino, "cgroup", (json_int_t)s->cgroup, "cgroup_path",
			rows_text(path, sizeof(path)), "pid", (json_int_t)s->pid, "ipv4",
			s->has_ipv4, "ipv6", s->has_ipv6, "advice", s->advice, "devices",
			(json_int_t)s->devices, "dropped", (json_int_t)s->dropped);
	return request_row(l->req, row);
}

void control_netns_list(void *ctx, struct request *req)
{
	struct listing l = { ctx, req };

	(void)!namespaces_each(l.m->namespaces, netns_row, &l);
	request_end(req, NULL);
}
