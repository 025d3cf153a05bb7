/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/monitor.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/anchor.h"
#include "daemon/children.h"
#include "daemon/control.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "daemon/endpoints.h"
#include "daemon/events.h"
#include "daemon/learning.h"
#include "daemon/listeners.h"
#include "daemon/namespaces.h"
#include "daemon/modes.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/runs.h"
#include "daemon/state.h"
#include "daemon/sweeper.h"
#include "daemon/users.h"
#include "daemon/warnings.h"
#include "daemon/watchdog.h"
#include "dataplane/dataplane.h"
#include "egret/names.h"
#include "event/channel.h"
#include "identity/identity.h"

#define START_US 60000000u /* for every child to be ready */
#define RESOLVE_US                                                                                 \
	10000000u /* for every governed name to be tried, before we say that we are ready */
#define WATCH_US      5000000u
#define ANSWER_US     20000000u /* for a worker to answer; connections wait meanwhile */
#define STOP_MS	      10000u /* for requests in flight */
#define HASH_BYTES    (512u << 20)
#define FILES_MONITOR 16384u

const char *monitor_phase_name(enum monitor_phase phase)
{
	static const char *const names[] = { "starting", "resolving", "serving", "stopping" };

	return names[phase];
}

/* ---- phases ---- */

void monitor_fail(struct monitor *m, const char *fmt, ...)
{
	char text[900];
	va_list ap;

	if (m->status)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("egretd cannot start: %s", text);
	m->status = 1;
	loop_stop(m->loop);
}

static void on_start_limit(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, start_limit);

	monitor_fail(m, "not every part was ready within %u s", START_US / 1000000u);
}

/* A name that cannot be resolved holds nothing up for long: what is known is governed. */
static void on_resolve_limit(struct timer *t)
{
	(void)t;
	log_warn("not every governed name could be tried within %u s: until then, addresses that "
		 "only they have are governed for who asks DNS for them, and for nobody else",
		 RESOLVE_US / 1000000u);
	notify("READY=1");
}

/* Ready is what workloads are started after: not before their addresses are governed. */
void monitor_advance(struct monitor *m)
{
	if (m->phase == MONITOR_STARTING && children_ready(m->children) && anchor_info(m->anchor) &&
	    credentials_settled(m->credentials)) {
		timer_stop(&m->start_limit);
		m->phase = MONITOR_RESOLVING;
		log_info("serving: cgroup=%s workers=%u; governed names are being resolved",
			 dataplane_cgroup(m->dp), children_workers(m->children));
		timer_start(&m->resolve_limit, m->loop, RESOLVE_US, on_resolve_limit);
	}
	if (m->phase == MONITOR_RESOLVING &&
	    endpoints_tried(m->endpoints) == endpoints_names(m->endpoints)) {
		m->phase = MONITOR_SERVING;
		if (timer_is_running(&m->resolve_limit))
			notify("READY=1");
		timer_stop(&m->resolve_limit);
		log_info("every governed name has been tried: names=%zu",
			 endpoints_names(m->endpoints));
	}
}

static void on_stopped(struct monitor *m)
{
	loop_stop(m->loop);
}

void monitor_stop(struct monitor *m, bool release)
{
	m->release = m->release || release;
	if (m->phase == MONITOR_STOPPING)
		return;
	if (m->phase == MONITOR_STARTING) {
		loop_stop(m->loop);
		return;
	}
	m->phase = MONITOR_STOPPING;
	log_info("stopping: %s",
		 m->release ? "enforcement ends"
			    : "governed connections are refused until egretd runs again");
	notify("STOPPING=1");
	children_stop(m->children, STOP_MS, on_stopped);
}

static void on_terminate(struct sig *s, int signo)
{
	monitor_stop(signo == SIGTERM ? container_of(s, struct monitor, sigterm)
				      : container_of(s, struct monitor, sigint),
		     false);
}

static void on_hangup(struct sig *s, int signo)
{
	struct monitor *m = container_of(s, struct monitor, sighup);
	struct diag d = { 0 };
	const char *reason;
	char text[800];

	(void)signo;
	if (m->phase == MONITOR_STOPPING)
		return;
	notify_reloading();
	if (reload_all(m, &d, &reason) < 0) {
		diag_format(&d, text, sizeof(text));
		log_error("reload refused, everything stays as it was: %s", text);
	}
	notify("READY=1");
}

/* ---- start ---- */

static void on_print(void *ctx, const char *line)
{
	(void)ctx;
	log_debug("%s", line);
}

static int open_dataplane(struct monitor *m, struct diag *d)
{
	const struct config *c = m->config;
	struct dataplane_opts o = { .cgroup = *c->cgroup ? c->cgroup : NULL,
				    .nat64 = c->nat64.addr,
				    .nat64_bits = (uint8_t)c->nat64.prefix_len,
				    .allow_raw = c->allow_raw,
				    .print = on_print };
	char pins[4352];
	uid_t owner;
	gid_t group;
	int r;

	(void)snprintf(pins, sizeof(pins), "%s/bpf", c->run_dir);
	o.pins = pins;
	memcpy(o.extra_ports, c->ports, sizeof(o.extra_ports));
	r = users_find("users.bpffs", c->user_bpffs, d, &owner, &group);
	if (r == 0)
		r = dataplane_bpffs_mount(pins, owner, d);
	return r < 0 ? r : dataplane_open(&o, d, &m->dp);
}

static int make_identity(struct monitor *m, struct diag *d)
{
	struct identity_opts o = { .cgroup = dataplane_cgroup(m->dp),
				   .cgroup_run = EG_CGROUP_RUN,
				   .proc = "/proc",
				   .hash_bytes_max = HASH_BYTES };
	int r = identity_new(m->loop, &o, &m->identity);

	return r < 0 ? r : identity_load(m->identity, m->edition->doc, m->edition->generation, d);
}

static int first_edition(struct monitor *m, struct diag *d)
{
	const struct edition_from from = { .catalogue = &m->config->catalogue,
					   .policy = m->config->policy,
					   .policy_fd = -EBADF };
	int r = edition_new(&from, 1, d, &m->edition);

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

/* Before anything is attached, as the endpoints. */
static int make_modes(struct monitor *m, struct diag *d)
{
	const struct modes_opts o = {
		.loop = m->loop, .dp = m->dp, .identity = m->identity, .warnings = m->warnings
	};
	int r = modes_new(&o, &m->modes);

	return r < 0 ? r : modes_apply(m->modes, m->edition, d);
}

static void on_late_listener(void *ctx)
{
	struct monitor *m = ctx;

	children_send_listeners6(m->children);
}

static void store_event(void *ctx, const struct eg_note *note)
{
	struct monitor *m = ctx;
	struct child *recorder = children_recorder(m->children);

	if (!child_channel(recorder) ||
	    channel_send(child_channel(recorder), EG_MSG_event, note, sizeof(*note), NULL, 0) < 0)
		log_warn_limited("an event was not stored: the recorder is not there");
}

static void on_credentials(void *ctx)
{
	struct monitor *m = ctx;

	monitor_advance(m);
	control_credentials_settled(m);
}

static int make_parts(struct monitor *m, struct diag *d)
{
	const struct listeners_opts lo = { .loop = m->loop,
					   .dp = m->dp,
					   .warnings = m->warnings,
					   .n = children_workers(m->children),
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
	int r;

	r = listeners_new(&lo, d, &m->listeners);
	if (r == 0)
		r = namespaces_new(&no, d, &m->namespaces);
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
		r = runs_new(m->loop, dataplane_cgroup(m->dp), d, &m->runs);
	return r;
}

static int start(struct monitor *m, struct diag *d)
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
		r = learning_apply(m->dp, m->config, m->edition, d);
	if (r == 0)
		r = make_modes(m, d);
	if (r == 0)
		r = dataplane_attach(m->dp, d);
	if (r == 0)
		r = children_new(m, d, &m->children);
	if (r == 0)
		r = make_parts(m, d);
	if (r == 0)
		r = control_start(m, d);
	if (r == 0)
		r = watchdog_new(m->loop, m->children, WATCH_US, ANSWER_US, &m->watchdog);
	if (r == 0)
		r = children_start(m->children, d);
	if (r == 0)
		sweeper_modes(m->sweeper);
	if (r == 0)
		timer_start(&m->start_limit, m->loop, START_US, on_start_limit);
	return r;
}

/* In an order in which nobody calls what is gone: see the headers for who calls back when freed. */
static void clear(struct monitor *m)
{
	struct diag d = { 0 };
	bool served;

	/* Whatever is told now is told to nobody. */
	m->phase = MONITOR_STOPPING;
	served = m->control;
	m->control = control_server_free(m->control);
	m->modes = modes_free(m->modes);
	m->identity = identity_free(m->identity);
	m->events = events_free(m->events);
	m->children = children_free(m->children);
	m->watchdog = watchdog_free(m->watchdog);
	m->runs = runs_free(m->runs);
	m->credentials = credentials_free(m->credentials);
	m->anchor = anchor_free(m->anchor);
	m->namespaces = namespaces_free(m->namespaces);
	m->listeners = listeners_free(m->listeners);
	m->endpoints = endpoints_free(m->endpoints);
	m->sweeper = sweeper_free(m->sweeper);
	if (m->release && m->dp && dataplane_release(m->dp, &d) < 0) {
		log_error("enforcement cannot be taken away: %s", d.text);
		m->status = 1;
	}
	/* While we hold the lock, or it may be another daemon's. */
	if (served)
		state_remove_socket(m->config);
	m->dp = dataplane_free(m->dp);
	if (served && m->release && m->status == 0)
		state_unmount_pins(m->config);
	m->edition = edition_free(m->edition);
	m->warnings = warnings_free(m->warnings);
	timer_stop(&m->start_limit);
	timer_stop(&m->resolve_limit);
	sig_stop(&m->sigterm);
	sig_stop(&m->sigint);
	sig_stop(&m->sighup);
	m->loop = loop_free(m->loop);
	m->config = config_free(m->config);
	explicit_bzero(m->fingerprint_key, sizeof(m->fingerprint_key));
}

static void set_up_process(void)
{
	struct rlimit files;

	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_MONITOR) {
		files.rlim_cur = files.rlim_max < FILES_MONITOR ? files.rlim_max : FILES_MONITOR;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int run(struct monitor *m, struct diag *d)
{
	int r;

	r = config_load(m->where, d, &m->config);
	if (r < 0)
		return r;
	reload_log(m->config);
	m->loop = loop_new();
	m->warnings = warnings_new();
	if (!m->loop || !m->warnings)
		return -ENOMEM;
	sig_start(&m->sigterm, m->loop, SIGTERM, on_terminate);
	sig_start(&m->sigint, m->loop, SIGINT, on_terminate);
	sig_start(&m->sighup, m->loop, SIGHUP, on_hangup);
	r = start(m, d);
	if (r == 0)
		loop_run(m->loop);
	return r;
}

int monitor_main(const struct config_where *where)
{
	struct monitor m = { .where = where, .started_us = clock_wall_us() };
	struct diag d = { 0 };
	char text[900];
	int r;

	log_setup("monitor", LOG_INFO, false);
	set_up_process();
	if (geteuid() != 0) {
		log_error("egretd cannot start: it must run as root");
		return 1;
	}
	r = run(&m, &d);
	if (r < 0) {
		diag_format(&d, text, sizeof(text));
		log_error("egretd cannot start: %s", *d.text ? text : strerror(-r));
		m.status = 1;
	}
	clear(&m);
	if (r == 0 && m.status == 0)
		log_info("stopped");
	return m.status;
}
