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
	unsigned n;
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
	g->n = l->opts.n;
	return 0;
}

/* Of an earlier generation or run: what waits in their queues is served by ours. */
static int take_group(struct listeners *l, struct group *g)
{
	const json_t *list, *v;
	size_t i, k;
	int r = 0;

	json_array_foreach(l->opts.given, i, v)
	{
		if (json_integer_value(json_object_get(v, "family")) != g->family)
			continue;
		list = json_object_get(v, "fds");
		g->n = (unsigned)json_array_size(list);
		g->fds = calloc(g->n, sizeof(*g->fds));
		if (!g->fds)
			return -ENOMEM;
		for (k = 0; k < g->n; k++) {
			g->fds[k] = (int)json_integer_value(json_array_get(list, k));
			/* Their stamps went with the hooks, if those did. */
			r = r < 0 ? r : dataplane_stamp(l->opts.dp, g->fds[k]);
		}
		if (r < 0)
			return r;
		g->netns = (uint64_t)json_integer_value(json_object_get(v, "netns"));
		return dataplane_netns_note(l->opts.dp, g->netns);
	}
	return open_group(l, g);
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
	r = take_group(l, &l->group[0]);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot listen on %s port %d: %s%s", family_name(AF_INET),
			      EG_PROXY_PORT, strerror(-r), advice(r));
		(void)listeners_free(l);
		return r;
	}
	r = take_group(l, &l->group[1]);
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
		for (unsigned i = 0; l->group[g].fds && i < l->group[g].n; i++)
			cleanup_close(&l->group[g].fds[i]);
		free(l->group[g].fds);
	}
	free(l);
	return NULL;
}

json_t *listeners_hand_over(const struct listeners *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(l->group); i++) {
		const struct group *g = &l->group[i];
		json_t *fds = json_array();

		if (!g->fds) {
			json_decref(fds);
			continue;
		}
		for (unsigned k = 0; k < g->n; k++)
			(void)json_array_append_new(fds, json_integer(g->fds[k]));
		if (json_array_size(fds) != g->n ||
		    json_array_append_new(list,
					  json_pack("{si sI so}", "family", g->family, "netns",
						    (json_int_t)g->netns, "fds", fds)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int listeners_send(const struct listeners *l, struct channel *ch, unsigned index, int family)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(l->group); i++) {
		const struct group *g = &l->group[i];
		const struct eg_listener body = { .family = (uint32_t)g->family,
						  .netns = g->netns };

		if (!g->fds || (family && family != g->family))
			continue;
		/* There may be more of us than there were, or fewer. */
		for (unsigned k = index % g->n; r == 0 && k < g->n; k += l->opts.n)
			r = channel_send(ch, EG_MSG_listener, &body, sizeof(body), &g->fds[k], 1);
	}
	return r;
}
