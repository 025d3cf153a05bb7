/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new process is sent: its start, then everything its role needs, in an order in which
 * nothing is missed. Also to the others what concerns them: a new vault means a new channel for
 * every worker.
 */
#include <string.h>

#include "base/log.h"
#include "daemon/anchor.h"
#include "daemon/children_private.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "daemon/event_store.h"
#include "daemon/listeners.h"
#include "daemon/namespaces.h"
#include "daemon/predecessors.h"
#include "daemon/reload.h"
#include "daemon/resolv.h"
#include "daemon/role_config.h"
#include "daemon/slabs.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"

static int send_start(struct children *c, struct child *child, const int *fds, unsigned n_fds)
{
	const struct config *config = c->m->config;
	struct eg_start start = { .role = child_role(child), .index = child_index(child) };
	_cleanup_free_ char *text =
		role_config(config, start.role, start.index, dataplane_cgroup_id(c->m->dp));
	enum log_level level = LOG_INFO;
	int r;

	if (!text)
		return -ENOMEM;
	(void)log_level_of(config->log_level, &level);
	start.log_level = level;
	start.log_json = strcmp(config->log_format, "json") == 0;
	memcpy(start.fingerprint_key, c->m->fingerprint_key, sizeof(start.fingerprint_key));
	r = channel_send2(child_channel(child), EG_MSG_start, &start, sizeof(start), text,
			  strlen(text), fds, n_fds);
	explicit_bzero(&start, sizeof(start));
	return r;
}

int wiring_join(struct child *a, struct child *b)
{
	const struct eg_peer for_a = { .role = child_role(b), .index = child_index(b) };
	const struct eg_peer for_b = { .role = child_role(a), .index = child_index(a) };
	_cleanup_close_ int one = -EBADF, other = -EBADF;
	int fds[2], r;

	r = channel_pair(fds);
	if (r < 0)
		return r;
	one = fds[0];
	other = fds[1];
	r = channel_send(child_channel(a), EG_MSG_peer, &for_a, sizeof(for_a), &one, 1);
	return r < 0 ? r
		     : channel_send(child_channel(b), EG_MSG_peer, &for_b, sizeof(for_b), &other,
				    1);
}

static void on_anchor(void *ctx, bool ok)
{
	struct monitor *m = ctx;

	if (!ok && m->phase == MONITOR_STARTING) {
		monitor_fail(m, "the CA could not be loaded");
	} else {
		reload_ca_later(m);
		monitor_advance(m);
	}
}

static int vault_started(struct children *c, struct child *vault)
{
	struct monitor *m = c->m;
	struct diag d = { 0 };
	int r;

	r = send_start(c, vault, NULL, 0);
	for (unsigned i = 0; r == 0 && i < c->n_workers; i++)
		if (child_channel(children_worker(c, i)))
			r = wiring_join(children_worker(c, i), vault);
	if (r < 0)
		return r;
	predecessors_join_vault(c);
	r = anchor_load(m->anchor, child_channel(vault), m->edition, false, &d, on_anchor, m);
	if (r < 0) {
		warnings_set(m->warnings, "ca", "the CA cannot be loaded: %s", d.text);
		return r;
	}
	credentials_set_vault(m->credentials, child_channel(vault));
	return credentials_load(m->credentials, m->config, m->edition);
}

static int recorder_started(struct children *c, struct child *recorder)
{
	int r = send_start(c, recorder, &c->audit_fd, 1);

	if (r == 0)
		r = slabs_send_recorder(c->slabs, child_channel(recorder));
	if (r == 0)
		event_store_flush(c->m->event_store, child_channel(recorder));
	return r;
}

int wiring_send_policy(struct children *c, struct child *worker)
{
	const struct edition *e = c->m->edition;
	const struct eg_policy_push push = { .generation = e->generation };
	const int fds[2] = { e->catalogue_fd, e->policy_fd };

	return channel_send(child_channel(worker), EG_MSG_policy, &push, sizeof(push), fds, 2);
}

int wiring_send_trust(struct children *c, struct child *worker)
{
	return channel_send(child_channel(worker), EG_MSG_trust, NULL, 0, &c->trust_fd, 1);
}

/* It has read the file itself, but another state of it, perhaps one without servers. */
int wiring_send_resolvers(struct children *c, struct child *worker)
{
	struct eg_resolvers body = { 0 };

	if (c->m->config->resolvers.n == 0)
		resolv_servers(c->m->resolv, &body);
	return body.n == 0 ? 0
			   : channel_send(child_channel(worker), EG_MSG_resolvers, &body,
					  sizeof(body), NULL, 0);
}

/* Listeners last: with them connections come. */
static int worker_started(struct children *c, struct child *worker)
{
	struct child *vault = children_vault(c);
	_cleanup_close_ int flow_fd = -EBADF;
	int r;

	r = dataplane_flow_fd(c->m->dp, &flow_fd);
	if (r == 0)
		r = send_start(c, worker, &flow_fd, 1);
	if (r == 0 && child_channel(vault))
		r = wiring_join(worker, vault);
	if (r == 0)
		r = slabs_send_worker(c->slabs, child_channel(worker), child_index(worker));
	if (r == 0)
		r = wiring_send_trust(c, worker);
	if (r == 0)
		r = wiring_send_resolvers(c, worker);
	if (r == 0)
		r = wiring_send_policy(c, worker);
	if (r == 0)
		r = listeners_send(c->m->listeners, child_channel(worker), child_index(worker), 0);
	if (r == 0)
		r = namespaces_send(c->m->namespaces, child_channel(worker), child_index(worker));
	return r;
}

int wiring_started(struct children *c, struct child *child)
{
	switch (child_role(child)) {
	case EG_VAULT:
		return vault_started(c, child);
	case EG_RECORDER:
		return recorder_started(c, child);
	default:
		return worker_started(c, child);
	}
}
