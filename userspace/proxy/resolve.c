/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/resolve.h"

#include "base/log.h"
#include "event/channel.h"
#include "proxy/generation.h"
#include "proxy/state.h"
#include "upstream/pool.h"

#define AT_ONCE	 16u
#define MIN_S	 5u
#define MAX_S	 300u
#define FAILED_S 10u
#define TURN_US	 250000u

struct resolve_name {
	char host[256];
	unsigned provider;
	uint64_t due_us; /* UINT64_MAX: in flight */
};

static void on_next(struct timer *t);

static void report(struct worker *w, const struct resolve_name *name, const struct eg_addr *addrs,
		   size_t n, uint32_t ttl_s)
{
	struct eg_resolved m = { .provider = name->provider, .ttl_s = ttl_s };

	m.n = (uint32_t)(n < EG_RESOLVED_ADDRS ? n : EG_RESOLVED_ADDRS);
	if (m.n)
		memcpy(m.addr, addrs, m.n * sizeof(m.addr[0]));
	(void)slice_copy(slice_str(name->host), m.host, sizeof(m.host));
	if (channel_send(w->monitor, EG_MSG_resolved, &m, sizeof(m), NULL, 0) < 0)
		log_warn_limited("cannot report the addresses of a name host=%s", name->host);
}

static struct resolve_name *find(struct worker *w, struct slice host)
{
	for (size_t i = 0; i < w->resolving.n; i++)
		if (slice_eq(slice_str(w->resolving.names[i].host), host))
			return &w->resolving.names[i];
	return NULL;
}

static void on_resolved(void *ctx, struct slice host, const struct eg_addr *addrs, size_t n,
			uint32_t ttl_s)
{
	struct worker *w = ctx;
	struct resolve_name *name = find(w, host);
	uint32_t again = n ? ttl_s : FAILED_S;

	w->resolving.in_flight -= w->resolving.in_flight > 0;
	if (!name)
		return; /* of an older catalogue */
	again = again < MIN_S ? MIN_S : again > MAX_S ? MAX_S : again;
	name->due_us = loop_now_us(w->loop) + again * UINT64_C(1000000);
	/* Also that there are none: the monitor counts names that have been tried. */
	report(w, name, addrs, n, ttl_s);
	timer_start(&w->resolving.next, w->loop, 0, on_next); /* there is room for another */
}

static void on_next(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, resolving.next);
	uint64_t now = loop_now_us(w->loop);

	for (size_t i = 0; i < w->resolving.n && w->resolving.in_flight < AT_ONCE; i++) {
		struct resolve_name *name = &w->resolving.names[i];

		if (name->due_us > now)
			continue;
		name->due_us = UINT64_MAX;
		w->resolving.in_flight++;
		upstream_resolve(w->upstream, slice_str(name->host), on_resolved, w);
	}
	timer_start(t, w->loop, TURN_US, on_next);
}

void resolve_stop(struct worker *w)
{
	timer_stop(&w->resolving.next);
	free(w->resolving.names);
	w->resolving.names = NULL;
	w->resolving.n = 0;
}

void resolve_restart(struct worker *w)
{
	struct resolving *r = &w->resolving;
	struct slice host;
	unsigned provider;
	size_t n = 0;

	if (!w->set.resolve)
		return;
	resolve_stop(w);
	while (catalogue_name_at(w->gen->catalogue, n, &host, &provider))
		n++;
	r->names = calloc(n + 1, sizeof(*r->names));
	if (!r->names) {
		log_error("no memory for the list of governed names");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		(void)catalogue_name_at(w->gen->catalogue, i, &host, &provider);
		(void)slice_copy(host, r->names[i].host, sizeof(r->names[i].host));
		r->names[i].provider = provider;
	}
	r->n = n;
	r->in_flight = 0;
	timer_start(&r->next, w->loop, 0, on_next);
}
