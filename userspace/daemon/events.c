/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/events.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/reason.h"
#include "control/rows.h"
#include "daemon/advice.h"
#include "daemon/namespaces.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"
#include "identity/identity.h"

#define DRAIN_MAX   64u /* events a turn of the loop */
#define PENDING_MAX 256u /* being identified; beyond it they go without a workload */

struct events {
	struct events_opts opts;
	struct io io;
	unsigned pending;
};

struct pending {
	struct events *events;
	struct eg_note note;
};

static void log_note(const char *from, const struct eg_note *n)
{
	static struct log_limit limit;
	bool is_own = strcmp(from, "kernel") == 0 || strcmp(from, "monitor") == 0;

	if (!log_allowed(&limit, 50))
		return;
	/* Children log what they note themselves. "allowed" is no refusal: there only its own words
	 * say anything. */
	log_write(is_own ? LOG_INFO : LOG_DEBUG,
		  "event from=%s reason=%s pid=%u uid=%u workload=%s exe=%s host=%s: %s%s%s", from,
		  n->reason == EG_REASON_allowed ? "-" : reason_name(n->reason), n->pid, n->uid,
		  n->workload, n->exe, n->host,
		  n->reason == EG_REASON_allowed ? "" : reason_text(n->reason),
		  n->reason != EG_REASON_allowed && n->text[0] ? ": " : "", n->text);
}

static void deliver(struct events *e, const char *from, const struct eg_note *n)
{
	log_note(from, n);
	e->opts.store(e->opts.ctx, n);
}

#define TERMINATE(field) ((field)[sizeof(field) - 1] = '\0')

void events_note(struct events *e, const char *from, struct eg_note *n)
{
	TERMINATE(n->workload);
	TERMINATE(n->exe);
	TERMINATE(n->host);
	TERMINATE(n->text);
	if (n->reason >= EG_REASON_COUNT)
		return;
	if (!n->text[0])
		(void)slice_copy(slice_str(advice_reason((enum eg_reason)n->reason)), n->text,
				 sizeof(n->text));
	deliver(e, from, n);
}

static void on_identified(void *ctx, const struct eg_principal *p)
{
	struct pending *w = ctx;

	(void)slice_copy(slice_str(p->name), w->note.workload, sizeof(w->note.workload));
	if (w->note.hook != EG_HOOK_VETH)
		(void)slice_copy(slice_str(p->exe), w->note.exe, sizeof(w->note.exe));
	w->events->pending--;
	deliver(w->events, "kernel", &w->note);
	free(w);
}

static void fill(struct eg_note *n, const struct eg_event *ev)
{
	char address[64];

	*n = (struct eg_note){ .time_us = clock_wall_us(),
			       .reason = ev->reason,
			       .pid = ev->flow.tgid,
			       .uid = ev->flow.uid,
			       .hook = ev->hook,
			       .cgroup = ev->flow.cgroup };
	rows_address(&ev->flow.dst, address, sizeof(address));
	(void)snprintf(n->host, sizeof(n->host), strchr(address, ':') ? "[%s]:%u" : "%s:%u",
		       address, ev->flow.dport);
}

/* Whose packet it was, no device can tell: one process of its namespace stands for all. */
static void attest_netns(struct events *e, uint64_t netns, struct pending *w)
{
	pid_t pid = namespaces_whose(e->opts.namespaces, netns);
	struct eg_flow flow;

	if (pid == 0 || identity_flow_of(e->opts.identity, pid, &flow) < 0) {
		e->pending--;
		deliver(e, "kernel", &w->note);
		free(w);
		return;
	}
	w->note.cgroup = flow.cgroup;
	identity_attest(e->opts.identity, &flow, on_identified, w);
}

/* One whose client has gone, or whose namespace we do not hold, stays held back by the gate. */
static void sever(struct events *e, const struct eg_event *ev)
{
	int fd, r = namespaces_fd(e->opts.namespaces, ev->flow.netns, &fd);

	if (r == 0)
		r = dataplane_sever(e->opts.dp, fd, ev);
	if (r < 0 && r != -ENOENT)
		log_warn_limited("a connection that the tripwire stopped cannot be ended: %s: its "
				 "client waits until its own timeout, and sends nothing",
				 strerror(-r));
}

static void on_event(void *ctx, const struct eg_event *ev)
{
	bool is_new_netns = ev->hook == EG_HOOK_SOCK_CREATE && ev->reason == EG_REASON_allowed;
	struct events *e = ctx;
	const char *advice = NULL;
	struct pending *w;
	struct eg_note n;

	if (ev->reason >= EG_REASON_COUNT)
		return;
	if (is_new_netns || ev->reason == EG_REASON_k_no_listener)
		advice = namespaces_seen(e->opts.namespaces, &ev->flow);
	if (is_new_netns)
		return;
	if (ev->lport)
		sever(e, ev);
	fill(&n, ev);
	if (advice)
		(void)slice_copy(slice_str(advice), n.text, sizeof(n.text));
	else
		advice_event(ev, n.text, sizeof(n.text));
	w = e->pending < PENDING_MAX ? malloc(sizeof(*w)) : NULL;
	if (!w) {
		deliver(e, "kernel", &n);
		return;
	}
	*w = (struct pending){ e, n };
	e->pending++;
	if (ev->hook == EG_HOOK_VETH)
		attest_netns(e, ev->flow.netns, w);
	else
		identity_attest(e->opts.identity, &ev->flow, on_identified, w);
}

static void on_readable(struct io *io, int events)
{
	struct events *e = container_of(io, struct events, io);

	(void)events;
	/* What is left keeps the descriptor readable. */
	if (dataplane_events_drain(e->opts.dp, DRAIN_MAX, on_event, e) < 0)
		log_warn_limited("kernel events cannot be read: some are lost");
}

int events_new(const struct events_opts *o, struct events **ret)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->opts = *o;
	io_start(&e->io, o->loop, dataplane_events_fd(o->dp), IO_READ, on_readable);
	*ret = e;
	return 0;
}

unsigned events_pending(const struct events *e)
{
	return e->pending;
}

struct events *events_free(struct events *e)
{
	if (e)
		io_stop(&e->io);
	free(e);
	return NULL;
}
