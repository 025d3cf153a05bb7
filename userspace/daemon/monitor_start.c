/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/monitor_private.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/anchor.h"
#include "daemon/children.h"
#include "daemon/control.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "daemon/endpoints.h"
#include "daemon/event_store.h"
#include "daemon/events.h"
#include "daemon/hooks_opts.h"
#include "daemon/learning.h"
#include "daemon/listeners.h"
#include "daemon/modes.h"
#include "daemon/namespaces.h"
#include "daemon/predecessors.h"
#include "daemon/reload.h"
#include "daemon/resolv.h"
#include "daemon/runs.h"
#include "daemon/state.h"
#include "daemon/sweeper.h"
#include "daemon/users.h"
#include "daemon/warnings.h"
#include "daemon/watchdog.h"
#include "dataplane/dataplane.h"
#include "egret/names.h"
#include "identity/identity.h"

#define START_US   60000000u /* for every child to be ready */
#define WATCH_US   5000000u
#define ANSWER_US  20000000u /* for a worker to answer; connections wait meanwhile */
#define HASH_BYTES (512u << 20)

static int open_dataplane(struct monitor *m, struct diag *d)
{
	struct hooks_opts h;
	uid_t owner;
	gid_t group;
	int r;

	hooks_opts_of(m->config, &h);
	h.opts.lock_fd = (int)json_integer_value(json_object_get(m->taken, "lock"));
	r = users_find("users.bpffs", m->config->user_bpffs, d, &owner, &group);
	if (r == 0)
		r = dataplane_bpffs_mount(h.pins, owner, d);
	return r < 0 ? r : dataplane_open(&h.opts, d, &m->dp);
}

static void on_engine(void *ctx, const char *socket, const char *error)
{
	struct monitor *m = ctx;
	char subject[160];

	(void)snprintf(subject, sizeof(subject), "engine %s", socket);
	if (error)
		warnings_set(
			m->warnings, subject,
			"containers.sockets: %s: %s: entries of \"match\" with image or labels "
			"do not hold for containers that nothing is known of",
			socket, error);
	else
		warnings_clear(m->warnings, subject);
}

static int make_identity(struct monitor *m, struct diag *d)
{
	struct identity_opts o = { .cgroup = dataplane_cgroup(m->dp),
				   .cgroup_run = EG_CGROUP_RUN,
				   .proc = "/proc",
				   .engines = (const char *const *)m->config->engine_sockets.v,
				   .n_engines = m->config->engine_sockets.n,
				   .on_engine = on_engine,
				   .ctx = m,
				   .hash_bytes_max = HASH_BYTES };
	int r = identity_new(m->loop, &o, &m->identity);

	if (r == 0)
		r = identity_load(m->identity, m->edition->doc, m->edition->generation, d);
	if (r == 0)
		reload_engines(m);
	return r;
}

static int first_edition(struct monitor *m, struct diag *d)
{
	const struct edition_from from = { .catalogue = &m->config->catalogue,
					   .policy = m->config->policy };
	int r = edition_new(
		&from,
		m->taken ? (uint32_t)json_integer_value(json_object_get(m->taken, "edition")) : 1,
		d, &m->edition);

	return r < 0 ? r : edition_check_credentials(m->edition, m->config, d);
}

static void on_new_endpoint(void *ctx)
{
	struct monitor *m = ctx;

	sweeper_soon(m->sweeper);
}

/* Known before anything is attached, so that nothing passes in between. */
static int make_endpoints(struct monitor *m, struct diag *d)
{
	char file[4352];
	struct endpoints_opts o = { .loop = m->loop,
				    .dp = m->dp,
				    .warnings = m->warnings,
				    .on_new = on_new_endpoint,
				    .ctx = m };
	struct diag kept = { 0 };
	int r;

	(void)snprintf(file, sizeof(file), "%s/endpoints.json", m->config->state_dir);
	o.file = file;
	r = sweeper_new(m->loop, m->dp, &m->sweeper);
	if (r == 0)
		r = endpoints_new(&o, &m->endpoints);
	if (r == 0 && endpoints_read(m->endpoints, &kept) < 0) {
		char text[800];

		diag_format(&kept, text, sizeof(text));
		log_warn("addresses kept by an earlier run cannot be used: %s", text);
	}
	return r < 0 ? r : endpoints_apply(m->endpoints, m->edition, d);
}

static void on_resolvers(void *ctx)
{
	struct monitor *m = ctx;

	reload_learning(m);
	children_send_resolvers(m->children);
}

static int make_resolv(struct monitor *m)
{
	const struct resolv_opts o = { .loop = m->loop,
				       .file = RESOLV_CONF,
				       .warnings = m->warnings,
				       .on_change = on_resolvers,
				       .ctx = m };

	return resolv_new(&o, &m->resolv);
}

static void on_mode(void *ctx)
{
	struct monitor *m = ctx;

	sweeper_modes(m->sweeper);
}

/* Before anything is attached, as the endpoints. */
static int make_modes(struct monitor *m, struct diag *d)
{
	const struct modes_opts o = { .loop = m->loop,
				      .dp = m->dp,
				      .identity = m->identity,
				      .warnings = m->warnings,
				      .on_change = on_mode,
				      .ctx = m };
	int r = modes_new(&o, &m->modes);

	return r < 0 ? r : modes_apply(m->modes, m->edition, d);
}

static void on_late_listener(void *ctx)
{
	struct monitor *m = ctx;

	children_send_listeners6(m->children);
	monitor_keep_listeners(m);
}

static void store_event(void *ctx, const struct eg_note *note)
{
	struct monitor *m = ctx;
	event_store_put(m->event_store, child_channel(children_recorder(m->children)), note);
}

static void on_credentials(void *ctx)
{
	struct monitor *m = ctx;

	monitor_advance(m);
	control_credentials_settled(m);
}

static void on_run(void *ctx, const char *dir)
{
	struct monitor *m = ctx;

	modes_prepare(m->modes, dir);
}

static int make_parts(struct monitor *m, struct diag *d)
{
	const struct listeners_opts lo = { .loop = m->loop,
					   .dp = m->dp,
					   .warnings = m->warnings,
					   .n = children_workers(m->children),
					   .given = m->taken
							    ? json_object_get(m->taken, "listeners")
							    : m->fdstore.listeners,
					   .on_late = on_late_listener,
					   .ctx = m };
	struct events_opts eo = { .loop = m->loop,
				  .dp = m->dp,
				  .identity = m->identity,
				  .store = store_event,
				  .ctx = m };
	const struct anchor_opts ao = { .state_dir = m->config->state_dir,
					.run_dir = m->config->run_dir,
					.warnings = m->warnings };
	const struct credentials_opts co = {
		.loop = m->loop, .warnings = m->warnings, .on_settled = on_credentials, .ctx = m
	};
	const struct namespaces_opts no = { .loop = m->loop,
					    .dp = m->dp,
					    .children = m->children,
					    .warnings = m->warnings,
					    .max = (unsigned)m->config->namespaces };
	const struct runs_opts ro = {
		.loop = m->loop, .cgroup = dataplane_cgroup(m->dp), .on_new = on_run, .ctx = m
	};
	int r;

	r = listeners_new(&lo, d, &m->listeners);
	json_decref(m->fdstore.listeners); /* they are closed where they are kept */
	m->fdstore.listeners = NULL;
	if (r == 0)
		r = namespaces_new(&no, d, &m->namespaces);
	if (r == 0)
		r = namespaces_take(m->namespaces, json_object_get(m->taken, "namespaces"));
	eo.namespaces = m->namespaces;
	if (r == 0)
		r = events_new(&eo, &m->events);
	if (r == 0)
		sweeper_set_namespaces(m->sweeper, m->namespaces);
	if (r == 0)
		r = anchor_new(&ao, d, &m->anchor);
	if (r == 0)
		r = credentials_new(&co, &m->credentials);
	if (r == 0)
		r = runs_new(&ro, d, &m->runs);
	return r;
}

static void on_start_limit(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, start_limit);

	monitor_fail(m, "not every part was ready within %u s", START_US / 1000000u);
}

int monitor_start(struct monitor *m, struct diag *d)
{
	int r;

	r = state_directories(m->config, d);
	if (r == 0)
		r = state_fingerprint_key(m->config->state_dir, d, m->fingerprint_key);
	if (r == 0)
		r = state_enter_cgroup(m->config->cgroup, d);
	if (r == 0)
		r = first_edition(m, d);
	if (r == 0)
		r = open_dataplane(m, d);
	if (r == 0)
		r = make_identity(m, d);
	if (r == 0)
		r = make_endpoints(m, d);
	if (r == 0)
		r = make_resolv(m);
	if (r == 0)
		r = learning_apply(m->dp, m->config, m->resolv, m->edition, d);
	if (r == 0)
		r = make_modes(m, d);
	if (r == 0)
		r = dataplane_attach(m->dp, d);
	if (r == 0 && dataplane_new_maps(m->dp))
		log_info("the programs attached before had maps of another layout: maps made "
			 "beside them=%u",
			 dataplane_new_maps(m->dp));
	if (r == 0)
		r = event_store_new(&m->event_store);
	if (r == 0)
		r = children_new(m, d, &m->children);
	if (r == 0)
		r = make_parts(m, d);
	if (r == 0)
		r = control_start(m, d);
	if (r == 0 && m->taken)
		r = predecessors_take(m->children, json_object_get(m->taken, "children"), d);
	if (r == 0)
		r = watchdog_new(m->loop, m->children, WATCH_US, ANSWER_US, &m->watchdog);
	if (r == 0)
		r = children_start(m->children, d);
	json_decref(m->taken);
	m->taken = NULL;
	if (r == 0)
		sweeper_modes(m->sweeper);
	if (r == 0)
		timer_start(&m->start_limit, m->loop, START_US, on_start_limit);
	return r;
}
