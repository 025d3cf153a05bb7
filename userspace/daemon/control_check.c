/* SPDX-License-Identifier: Apache-2.0 */
/* `check`: what only the daemon can say about itself. */
#include <stdio.h>
#include <string.h>

#include "daemon/anchor.h"
#include "daemon/answer.h"
#include "daemon/children.h"
#include "daemon/control.h"
#include "daemon/credential_rules.h"
#include "daemon/credentials.h"
#include "daemon/edition.h"
#include "daemon/endpoints.h"
#include "daemon/namespaces.h"
#include "daemon/role.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"

enum state { OK, WARN, FAIL };

static json_t *row(const char *name, enum state state, const char *advice, const char *fmt, ...)
	_printf_(4, 5);

static json_t *row(const char *name, enum state state, const char *advice, const char *fmt, ...)
{
	static const char *const states[] = { "ok", "warn", "fail" };
	char text[600];
	json_t *o;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	o = json_pack("{ss ss ss}", "name", name, "state", states[state], "text", text);
	if (o && state != OK && advice)
		(void)json_object_set_new(o, "advice", json_string(advice));
	return o;
}

static json_t *check_children(struct monitor *m)
{
	unsigned n = 0, ready = 0, restarts = 0, drain = 0;

	for (size_t i = 0; i < children_count(m->children); i++) {
		const struct child *c = children_at(m->children, i);

		if (child_is_adopted(c)) {
			drain += child_pid(c) != 0;
			continue;
		}
		n++;
		ready += child_state(c) == CHILD_READY;
		restarts += child_restarts(c);
	}
	return row("processes", ready == n ? OK : FAIL, "see the daemon's log for why they end",
		   "%u of %u child processes are ready; restarted %u times; %u of before an "
		   "upgrade drain",
		   ready, n, restarts, drain);
}

static json_t *check_recorder(struct monitor *m)
{
	bool ready = child_state(children_recorder(m->children)) == CHILD_READY &&
		     !warnings_has(m->warnings, ANSWER_RECORDER);

	return row("recorder", ready ? OK : FAIL,
		   "see the daemon's log; is the disk full? Requests are denied meanwhile",
		   ready ? "the recorder stores records" : "the recorder stores no records");
}

static json_t *check_ca(struct monitor *m)
{
	if (!anchor_info(m->anchor))
		return row("ca", FAIL, "see the daemon's log; the files are in state_dir/ca",
			   "the CA is not loaded");
	if (anchor_info(m->anchor)->kept)
		return row("ca", WARN, "see its warning below for what to do",
			   "the CA is not renewed: its files cannot be written");
	return row("ca", anchor_covers(m->anchor, m->edition) ? OK : FAIL,
		   "run `egret daemon reload`, then see the daemon's log",
		   anchor_covers(m->anchor, m->edition)
			   ? "the CA's name constraints cover every governed name"
			   : "the CA's name constraints lack governed names");
}

static json_t *check_credentials(struct monitor *m)
{
	size_t loaded = credentials_loaded(m->credentials),
	       total = credentials_total(m->credentials);

	if (total == 0)
		return row("credentials", WARN, "name provider keys in `credentials` of egret.json",
			   "no credential is configured, so no request can be served");
	return row("credentials", loaded == total ? OK : FAIL,
		   "`egret credential list` says which and why; then `egret credential reload`",
		   "%zu of %zu credentials are loaded", loaded, total);
}

static json_t *check_names(struct monitor *m)
{
	json_t *left = endpoints_unresolved(m->endpoints);
	size_t n = json_array_size(left);
	const char *first = n ? json_string_value(json_array_get(left, 0)) : "";
	json_t *o =
		row("names", n ? WARN : OK,
		    "is a DNS server reachable? `resolvers` of egret.json names others; names that "
		    "do not exist are harmless",
		    n ? "%zu of %zu governed names have no known address: %s%s"
		      : "%zu of %zu governed names lack an address%s%s",
		    n, endpoints_names(m->endpoints), first, n > 1 ? ", …" : "");

	json_decref(left);
	return o;
}

static int count_attached(void *ctx, const struct inspect_prog *p)
{
	unsigned *counts = ctx;

	counts[0] += p->attached;
	counts[1]++;
	return 0;
}

static json_t *check_pins(struct monitor *m)
{
	unsigned hooks[2] = { 0 };

	(void)!inspect_progs(dataplane_inspect(m->dp), count_attached, hooks);
	return row("hooks", hooks[0] == hooks[1] && hooks[1] ? OK : FAIL,
		   "restart egretd; who removed the pins in run_dir/bpf?",
		   "%u of %u hooks are held on %s", hooks[0], hooks[1], dataplane_cgroup(m->dp));
}

static json_t *check_counts(struct monitor *m)
{
	struct inspect_counts *c = malloc(sizeof(*c));
	json_t *o = NULL;

	if (c && inspect_counts(dataplane_inspect(m->dp), c) == 0)
		o = row("events", c->events_lost ? WARN : OK,
			"the kernel reports faster than they are read: is the host overloaded?",
			"%llu kernel events were lost", (unsigned long long)c->events_lost);
	else
		o = row("events", FAIL, NULL, "the kernel's counters cannot be read");
	free(c);
	return o;
}

static json_t *check_namespaces(struct monitor *m)
{
	struct namespaces_counts c;

	namespaces_count(m->namespaces, &c);
	return row("namespaces", c.served == c.held ? OK : WARN,
		   "`egret netns list` says what each of the others lacks",
		   "%u of %u network namespaces besides the host's are served; at most %u can be",
		   c.served, c.held, c.max);
}

static json_t *check_backstop(struct monitor *m)
{
	struct namespaces_counts c;

	namespaces_count(m->namespaces, &c);
	if (!c.has_backstop)
		return row("backstop", WARN,
			   "run Linux 6.6 or later, or withhold CAP_NET_RAW and CAP_NET_ADMIN from "
			   "containers",
			   "the kernel has no tcx: raw packets from workloads' network namespaces "
			   "are not stopped");
	return row("backstop", OK, NULL,
		   "on %u devices of workloads' namespaces; dropped %llu packets", c.devices,
		   (unsigned long long)c.dropped);
}

static int put_texts(struct request *req, const char *name, const char *advice, json_t *texts)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(texts); i++)
		r = request_row(req, row(name, WARN, advice, "%s",
					 json_string_value(json_array_get(texts, i))));
	json_decref(texts);
	return r;
}

void control_check(void *ctx, struct request *req)
{
	static json_t *(*const checks[])(struct monitor * m) = {
		check_children, check_recorder, check_ca,	  check_credentials, check_names,
		check_pins,	check_counts,	check_namespaces, check_backstop,
	};
	struct monitor *m = ctx;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = request_row(req, checks[i](m));
	if (r == 0)
		r = put_texts(req, "policy", "`egret credential list` says which there are",
			      credential_rules_unserved(m->edition->policy, m->credentials));
	if (r == 0)
		r = put_texts(req, "warning", NULL, warnings_json(m->warnings));
	request_end(req, NULL);
}
