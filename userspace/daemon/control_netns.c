/* SPDX-License-Identifier: Apache-2.0 */
/* `netns list`. */
#include <netinet/in.h>
#include <string.h>

#include "control/rows.h"
#include "daemon/control.h"
#include "daemon/namespaces.h"
#include "daemon/own_dns.h"
#include "identity/identity.h"

struct listing {
	struct monitor *m;
	struct request *req;
};

static json_t *resolvers(const struct own_dns *o)
{
	struct eg_addr addr[EG_OWN_DNS_MAX];
	unsigned n = own_dns_servers(o, addr);
	char text[INET6_ADDRSTRLEN];
	json_t *list = json_array();

	for (unsigned i = 0; list && i < n; i++) {
		rows_address(&addr[i], text, sizeof(text));
		(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

static int netns_row(void *ctx, const struct namespaces_state *s)
{
	struct listing *l = ctx;
	char path[4096];
	json_t *row;

	if (identity_cgroup_path(l->m->identity, s->cgroup, path, sizeof(path)) < 0)
		path[0] = '\0';
	row = json_pack("{sI sI sI so sI sb sb ss sI sI so}", "netns", (json_int_t)s->netns, "ino",
			(json_int_t)s->ino, "cgroup", (json_int_t)s->cgroup, "cgroup_path",
			rows_text(path, sizeof(path)), "pid", (json_int_t)s->pid, "ipv4",
			s->has_ipv4, "ipv6", s->has_ipv6, "advice", s->advice, "devices",
			(json_int_t)s->devices, "dropped", (json_int_t)s->dropped, "resolvers",
			resolvers(s->own_dns));
	return request_row(l->req, row);
}

void control_netns_list(void *ctx, struct request *req)
{
	struct listing l = { ctx, req };

	(void)!namespaces_each(l.m->namespaces, netns_row, &l);
	request_end(req, NULL);
}
