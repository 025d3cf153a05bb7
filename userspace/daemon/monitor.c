/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/monitor.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
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
#include "daemon/event_store.h"
#include "daemon/events.h"
#include "daemon/handover.h"
#include "daemon/listeners.h"
#include "daemon/namespaces.h"
#include "daemon/modes.h"
#include "daemon/predecessors.h"
#include "daemon/monitor_private.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/resolv.h"
#include "daemon/runs.h"
#include "daemon/state.h"
#include "daemon/sweeper.h"
#include "daemon/warnings.h"
#include "daemon/upgrade.h"
#include "daemon/watchdog.h"
#include "dataplane/dataplane.h"
#include "identity/identity.h"

#define RESOLVE_US                                                                                 \
	10000000u /* for every governed name to be tried, before we say that we are ready */
#define STOP_MS	      10000u /* for requests in flight */
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

/* A name that cannot be resolved holds nothing up for long: what is known is governed. */
static void on_resolve_limit(struct timer *t)
{
	(void)t;
	log_warn("not every governed name could be tried within %u s: until then, addresses that "
		 "only they have are governed for who asks DNS for them, and for nobody else",
		 RESOLVE_US / 1000000u);
	notify("READY=1");
}

void monitor_keep_listeners(struct monitor *m)
{
	json_t *list = listeners_hand_over(m->listeners);

	fdstore_keep(list);
	json_decref(list);
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
		predecessors_drain(m->children, (uint32_t)m->config->drain_ms);
		upgrade_done(m);
		monitor_keep_listeners(m);
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

/* Whoever asks once more to end, when that is under way, must not kill us on the last steps. */
static void hold_signals(void)
{
	sigset_t all;

	(void)sigemptyset(&all);
	(void)sigaddset(&all, SIGTERM);
	(void)sigaddset(&all, SIGINT);
	(void)sigaddset(&all, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
}

/* In an order in which nobody calls what is gone: see the headers for who calls back when freed. */
static void clear(struct monitor *m)
{
	struct diag d = { 0 };
	bool served;

	hold_signals();
	/* Whatever is told now is told to nobody. */
	m->phase = MONITOR_STOPPING;
	served = m->control;
	m->control = control_server_free(m->control);
	m->upgrade = upgrade_free(m->upgrade);
	cleanup_close(&m->upgrade_fd);
	fdstore_close(&m->fdstore);
	json_decref(m->taken);
	m->modes = modes_free(m->modes);
	m->identity = identity_free(m->identity);
	m->events = events_free(m->events);
	m->children = children_free(m->children);
	m->event_store = event_store_free(m->event_store);
	m->watchdog = watchdog_free(m->watchdog);
	m->runs = runs_free(m->runs);
	m->credentials = credentials_free(m->credentials);
	m->anchor = anchor_free(m->anchor);
	m->namespaces = namespaces_free(m->namespaces);
	m->listeners = listeners_free(m->listeners);
	m->resolv = resolv_free(m->resolv);
	m->endpoints = endpoints_free(m->endpoints);
	m->sweeper = sweeper_free(m->sweeper);
	if (m->release && m->dp && dataplane_release(m->dp, &d) < 0) {
		log_error("enforcement cannot be taken away: %s", d.text);
		m->status = 1;
	}
	/* While we hold the lock, or it may be another daemon's. */
	if (served && !m->has_socket_unit)
		state_remove_socket(m->config);
	if (m->release && m->status == 0)
		fdstore_forget();
	m->dp = dataplane_free(m->dp);
	if (served && m->release && m->status == 0)
		state_unmount_pins(m->config);
	m->edition = edition_free(m->edition);
	m->warnings = warnings_free(m->warnings);
	timer_stop(&m->start_limit);
	timer_stop(&m->resolve_limit);
	timer_stop(&m->ca_again);
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

static int take_over(struct monitor *m, int fd, struct diag *d)
{
	int r = handover_read(fd, d, &m->taken);

	if (r < 0)
		return r;
	m->generation = (uint64_t)json_integer_value(json_object_get(m->taken, "generation"));
	m->upgrade_fd = (int)json_integer_value(json_object_get(m->taken, "client"));
	return 0;
}

void monitor_hold_signals(bool hold)
{
	sigset_t ours;

	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGHUP);
	(void)sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &ours, NULL);
}

static int run(struct monitor *m, int takeover_fd, struct diag *d)
{
	int r;

	monitor_hold_signals(true);
	r = takeover_fd >= 0 ? take_over(m, takeover_fd, d) : fdstore_take(&m->fdstore);
	if (r == 0)
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
	r = monitor_start(m, d);
	monitor_hold_signals(false);
	if (r == 0)
		loop_run(m->loop);
	return r;
}

int monitor_main(const struct config_where *where, int takeover_fd)
{
	struct monitor m = {
		.where = where,
		.started_us = clock_wall_us(),
		.generation = 1,
		.upgrade_fd = -EBADF,
		.fdstore = { .control = -EBADF },
	};
	struct diag d = { 0 };
	char text[900];
	int r;

	log_setup("monitor", LOG_INFO, false);
	(void)prctl(PR_SET_NAME, "egretd", 0, 0,
		    0); /* executed by descriptor, it would be its number */
	set_up_process();
	if (geteuid() != 0) {
		log_error("egretd cannot start: it must run as root");
		return 1;
	}
	r = run(&m, takeover_fd, &d);
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
