/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/role_config.h"

#include "egret/rpc.h"

static json_t *strings(const struct config_list *l)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < l->n; i++)
		(void)json_array_append_new(list, json_string(l->v[i]));
	return list;
}

#define N(field) ((json_int_t)c->field)

static json_t *worker(const struct config *c, unsigned index, uint64_t cgroup)
{
	json_t *limits = json_pack(
		"{sI sI sI sI sI sI sI sI sI sI sI sI}", "connections", N(connections),
		"head_bytes", N(head_bytes), "body_bytes", N(body_bytes), "bodies_bytes",
		N(bodies_bytes), "buffer_bytes", N(buffer_bytes), "hello_ms", N(hello_ms),
		"handshake_ms", N(handshake_ms), "head_ms", N(head_ms), "idle_ms", N(idle_ms),
		"body_ms", N(body_ms), "first_byte_ms", N(first_byte_ms), "stall_ms", N(stall_ms));
	json_t *upstream =
		json_pack("{sI sI sI so so}", "connect_ms", N(connect_ms), "idle_ms",
			  N(upstream_idle_ms), "idle_max", N(upstream_idle_max), "allow",
			  strings(&c->upstream_allow), "resolvers", strings(&c->resolvers));

	return json_pack("{sI so so sb}", "cgroup", (json_int_t)cgroup, "limits", limits,
			 "upstream", upstream, "resolve", index == 0);
}

char *role_config(const struct config *c, uint32_t role, unsigned index, uint64_t cgroup)
{
	json_t *root;
	char *text;

	if (role == EG_WORKER)
		root = worker(c, index, cgroup);
	else if (role == EG_VAULT)
		root = json_pack("{sI sI sI sI}", "lease_ms", N(lease_ms), "leaf_hours",
				 N(leaf_hours), "ca_days", N(ca_days), "overlap_days",
				 N(overlap_days));
	else
		root = json_pack("{sI sI sI}", "keep_days", N(keep_days), "max_bytes",
				 N(audit_max_bytes), "commit_ms", N(commit_ms));
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}
