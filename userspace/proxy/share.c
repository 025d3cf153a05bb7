/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/share.h"

#include <assert.h>

#include "base/hash.h"
#include "proxy/state.h"

struct share *share_get(struct worker *w, uint64_t cgroup)
{
	uint64_t h = hash_bytes(HASH_SEED, slice_of((const char *)&cgroup, sizeof(cgroup)));
	unsigned at = (unsigned)(h % SHARES_BUCKETS);
	struct share *s;

	LIST_FOREACH(s, &w->shares.buckets[at], link)
	{
		if (s->cgroup == cgroup) {
			s->refs++;
			return s;
		}
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->cgroup = cgroup;
	s->refs = 1;
	TAILQ_INIT(&s->idle);
	LIST_INSERT_HEAD(&w->shares.buckets[at], s, link);
	return s;
}

struct share *share_unref(struct share *s)
{
	if (!s || --s->refs > 0)
		return NULL;
	assert(s->body_bytes == 0);
	LIST_REMOVE(s, link);
	free(s);
	return NULL;
}

bool share_may(const struct worker *w, size_t n, size_t max)
{
	size_t most = w->shares.n > 1 ? max / 2 : max - max / 8;

	return n < (most ? most : 1);
}

bool share_take_body(struct worker *w, struct share *s, uint64_t n)
{
	uint64_t all = w->set.bodies_bytes;

	if (w->shares.body_bytes + n > all || s->body_bytes + n > all / 4)
		return false;
	w->shares.body_bytes += n;
	s->body_bytes += n;
	return true;
}

void share_give_body(struct worker *w, struct share *s, uint64_t n)
{
	w->shares.body_bytes -= n;
	s->body_bytes -= n;
}
