/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/answer.h"

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/child.h"
#include "daemon/endpoints.h"
#include "daemon/events.h"
#include "daemon/namespaces.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "event/channel.h"
#include "identity/identity.h"

/* An attestation under way; the child may die before it is known. */
struct attest {
	struct monitor *m;
	struct child *child;
	unsigned incarnation;
	uint32_t id;
};

/* Says too little, too much or nonsense: whoever it is has been taken over or is broken. */
static void refuse(struct child *child)
{
	log_error("a child sent a message of the wrong shape: it is replaced: pid=%d",
		  (int)child_pid(child));
	child_kill(child);
}

static void sockets(struct monitor *m, struct child *child, struct msg *msg)
{
	struct eg_sockets want;
	int fds[EG_MSG_FDS];
	int netns_fd = -1, r = 0;
	unsigned n = 0;

	if (msg->body.n != sizeof(want)) {
		refuse(child);
		return;
	}
	memcpy(&want, msg->body.p, sizeof(want));
	if ((want.family != AF_INET && want.family != AF_INET6) || want.count > EG_MSG_FDS) {
		refuse(child);
		return;
	}
	if (want.netns)
		r = namespaces_outlet(m->namespaces, want.netns, want.is_governed, &netns_fd);
	while (r == 0 && n < want.count) {
		r = dataplane_socket(m->dp, netns_fd, (int)want.family, &fds[n]);
		n += r == 0;
	}
	/* A namespace may have been given up meanwhile. */
	if (r < 0 && r != -ENOENT)
		log_warn_limited("sockets for connections cannot be made: %s", strerror(-r));
	want.count = n;
	if (channel_reply(child_channel(child), EG_MSG_sockets, msg->id, &want, sizeof(want), NULL,
			  0, fds, n) < 0)
		child_kill(child);
	while (n)
		cleanup_close(&fds[--n]);
}

static void on_principal(void *ctx, const struct eg_principal *p)
{
	struct attest *a = ctx;

	a->m->attests--;
	if (child_channel(a->child) && child_restarts(a->child) == a->incarnation &&
	    channel_reply(child_channel(a->child), EG_MSG_attest, a->id, p, sizeof(*p), NULL, 0,
			  NULL, 0) < 0)
		child_kill(a->child);
	free(a);
}

static void attest(struct monitor *m, struct child *child, struct msg *msg)
{
	struct eg_flow flow;
	struct attest *a;

	if (msg->body.n != sizeof(flow)) {
		refuse(child);
		return;
	}
	memcpy(&flow, msg->body.p, sizeof(flow));
	a = malloc(sizeof(*a));
	if (!a)
		return; /* the worker's own time limit refuses the connection */
	m->attests++;
	*a = (struct attest){ m, child, child_restarts(child), msg->id };
	identity_attest(m->identity, &flow, on_principal, a);
}

static void resolved(struct monitor *m, struct child *child, struct msg *msg)
{
	struct eg_resolved r;

	if (msg->body.n != sizeof(r)) {
		refuse(child);
		return;
	}
	memcpy(&r, msg->body.p, sizeof(r));
	/* Its catalogue may be another than ours, and so what its numbers mean. */
	if (child_is_adopted(child))
		return;
	endpoints_resolved(m->endpoints, &r, clock_wall_us());
	monitor_advance(m);
}

/* It stores its own notes itself. What they say holds until it says otherwise, or is replaced. */
static void recorder_note(struct monitor *m, const struct eg_note *n)
{
	if (n->reason == EG_REASON_audit_unavailable)
		warnings_set(m->warnings, ANSWER_RECORDER, "%s", n->text);
	else
		warnings_clear(m->warnings, ANSWER_RECORDER);
}

static void note(struct monitor *m, struct child *child, struct msg *msg)
{
	static const char *const names[] = { [EG_VAULT] = "vault", [EG_WORKER] = "worker" };
	struct eg_note n;

	if (msg->body.n != sizeof(n)) {
		refuse(child);
		return;
	}
	memcpy(&n, msg->body.p, sizeof(n));
	n.text[sizeof(n.text) - 1] = '\0';
	if (child_role(child) == EG_RECORDER)
		recorder_note(m, &n);
	else
		events_note(m->events, names[child_role(child)], &n);
}

void answer_msg(struct monitor *m, struct child *child, struct msg *msg)
{
	switch (msg->type) {
	case EG_MSG_sockets:
		sockets(m, child, msg);
		break;
	case EG_MSG_attest:
		attest(m, child, msg);
		break;
	case EG_MSG_resolved:
		resolved(m, child, msg);
		break;
	case EG_MSG_note:
		note(m, child, msg);
		break;
	default:
		refuse(child);
	}
}
