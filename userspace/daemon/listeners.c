/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listeners.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "event/channel.h"

#define RETRY_US 10000000u

/* One family in the monitor's own network namespace. */
struct group {
	int family;
	uint64_t netns;
	int *fds; /* one a worker; NULL while it cannot be had */
};

struct listeners {
	struct listeners_opts opts;
	struct group group[2];
	struct timer retry;
};

static const char *family_name(int family)
{
	return family == AF_INET ? "127.0.0.1" : "::1";
}

static const char *advice(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return ": another process has the port: end it (ss -tlnp 'sport = 15001')";
	case -EADDRNOTAVAIL:
		return ": bring the loopback device up (ip link set lo up)";
	default:
		return "";
	}
}

static int open_group(struct listeners *l, struct group *g)
{
	int *fds = calloc(l->opts.n, sizeof(*fds));
	int r;

	if (!fds)
		return -ENOMEM;
	r = dataplane_listen(l->opts.dp, -1, g->family, l->opts.n, fds, &g->netns);
	if (r < 0) {
		free(fds);
		return r;
	}
	g->fds = fds;
	return 0;
}

static void on_retry(struct timer *t)
{
	struct listeners *l = container_of(t, struct listeners, retry);
	struct group *g = &l->group[1];
	int r = open_group(l, g);

	if (r < 0) {
		timer_start(t, l->opts.loop, RETRY_US, on_retry);
		return;
	}
	warnings_clear(l->opts.warnings, "listener ::1");
	l->opts.on_late(l->opts.ctx);
}

int listeners_new(const struct listeners_opts *o, struct diag *d, struct listeners **ret)
{
	struct listeners *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->opts = *o;
	l->group[0].family = AF_INET;
	l->group[1].family = AF_INET6;
	r = open_group(l, &l->group[0]);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot listen on %s port %d: %s%s", family_name(AF_INET),
			      EG_PROXY_PORT, strerror(-r), advice(r));
		(void)listeners_free(l);
		return r;
	}
	r = open_group(l, &l->group[1]);
	if (r < 0) {
		warnings_set(o->warnings, "listener ::1",
			     "cannot listen on ::1 port %d: %s%s: IPv6 connections to governed "
			     "endpoints are refused until it works",
			     EG_PROXY_PORT, strerror(-r), advice(r));
		timer_start(&l->retry, o->loop, RETRY_US, on_retry);
	}
	*ret = l;
	return 0;
}

struct listeners *listeners_free(struct listeners *l)
{
	if (!l)
		return NULL;
	timer_stop(&l->retry);
	for (size_t g = 0; g < ARRAY_SIZE(l->group); g++) {
		for (unsigned i = 0; l->group[g].fds && i < l->opts.n; i++)
			cleanup_close(&l->group[g].fds[i]);
		free(l->group[g].fds);
	}
	free(l);
	return NULL;
}

int listeners_send(const struct listeners *l, struct channel *ch, unsigned index, int family)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(l->group); i++) {
		const struct group *g = &l->group[i];
		const struct eg_listener body = { .family = (uint32_t)g->family,
						  .netns = g->netns };

		if (g->fds && (family == 0 || family == g->family))
			r = channel_send(ch, EG_MSG_listener, &body, sizeof(body), &g->fds[index],
					 1);
	}
	return r;
}
