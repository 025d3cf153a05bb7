/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/names.h"

#include "base/hash.h"
#include "proxy/caller.h"
#include "proxy/generation.h"
#include "proxy/state.h"
#include "tls/server.h"

static bool is_spelled_out(const struct worker *w, const struct caller *c)
{
	const struct catalogue_provider *p =
		catalogue_provider(w->gen->catalogue, (unsigned)c->provider);

	for (size_t i = 0; i < p->n_hosts; i++)
		if (slice_ieq(p->hosts[i], caller_host(c)))
			return true;
	return false;
}

/* How many names a cgroup has had lately; by hash. */
static unsigned *count_of(struct worker *w, uint64_t cgroup)
{
	uint64_t now = loop_now_us(w->loop);
	uint64_t h = hash_bytes(HASH_SEED, slice_of((const char *)&cgroup, sizeof(cgroup)));
	typeof(&w->names.slot[0]) s = &w->names.slot[h % NAMES_SLOTS];

	if (s->cgroup != cgroup || s->until_us <= now) {
		s->cgroup = cgroup;
		s->until_us = now + NAMES_US;
		s->n = 0;
	}
	return &s->n;
}

bool names_take(struct worker *w, const struct caller *c)
{
	const struct share *s;

	if (c->provider < 0 || tls_server_has(w->tls, caller_host(c)) ||
	    c->provider_generation != w->gen->number || is_spelled_out(w, c))
		return true;
	for (s = c->share; s; s = s->above)
		if (*count_of(w, s->cgroup) >= (s == c->share ? NAMES_MAX : NAMES_BELOW_MAX))
			return false;
	for (s = c->share; s; s = s->above)
		(*count_of(w, s->cgroup))++;
	return true;
}
