/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/share.h"

#include <assert.h>

#include "base/hash.h"
#include "proxy/state.h"

static unsigned bucket_of(uint64_t cgroup)
{
	uint64_t h = hash_bytes(HASH_SEED, slice_of((const char *)&cgroup, sizeof(cgroup)));

	return (unsigned)(h % SHARES_BUCKETS);
}

static struct share *find(struct worker *w, uint64_t cgroup)
{
	struct share *s;

	LIST_FOREACH(s, &w->shares.buckets[bucket_of(cgroup)], link)
	{
		if (s->cgroup == cgroup)
			return s;
	}
	return NULL;
}

/* Takes the reference to `above`. */
static struct share *get(struct worker *w, uint64_t cgroup, struct share *above)
{
	struct share *s = find(w, cgroup);

	if (s) {
		s->refs++;
		(void)share_unref(above);
		return s;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		(void)share_unref(above);
		return NULL;
	}
	s->cgroup = cgroup;
	s->above = above;
	s->refs = 1;
	TAILQ_INIT(&s->idle);
	LIST_INSERT_HEAD(&w->shares.buckets[bucket_of(cgroup)], s, link);
	return s;
}

struct share *share_get(struct worker *w, const struct eg_flow *flow)
{
	struct share *s = find(w, flow->cgroup), *above = NULL;
	size_t first = 0;

	if (s) {
		s->refs++;
		return s;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flow->ancestor); i++)
		if (flow->ancestor[i] && flow->ancestor[i] == w->set.cgroup)
			first = i + 1;
	for (size_t i = first; i < ARRAY_SIZE(flow->ancestor); i++) {
		uint64_t id = flow->ancestor[i];

		if (!id || id == flow->cgroup)
			break;
		above = get(w, id, above);
		if (!above)
			return NULL;
	}
	return get(w, flow->cgroup, above);
}

struct share *share_unref(struct share *s)
{
	while (s && --s->refs == 0) {
		struct share *above = s->above;

		assert(s->body_bytes == 0 && s->all_body_bytes == 0 && s->all_conns == 0);
		LIST_REMOVE(s, link);
		free(s);
		s = above;
	}
	return NULL;
}

/* May one that holds n of max, of which all together hold `total`, have one more? */
static bool may(size_t n, size_t total, size_t max, size_t part)
{
	size_t most = max - (n < total ? part : max / 8);

	return n < (most ? most : 1);
}

bool share_may_connect(const struct worker *w, const struct share *s)
{
	size_t max = w->set.connections;

	if (!may(s->conns, w->shares.n > 1 ? SIZE_MAX : s->conns, max, max - max / 2))
		return false;
	for (; s; s = s->above)
		if (!may(s->all_conns, w->conns.n, max, max / 4))
			return false;
	return true;
}

void share_add_conn(struct worker *w, struct share *s)
{
	if (s->conns++ == 0)
		w->shares.n++;
	for (; s; s = s->above)
		s->all_conns++;
}

void share_remove_conn(struct worker *w, struct share *s)
{
	if (--s->conns == 0)
		w->shares.n--;
	for (; s; s = s->above)
		s->all_conns--;
}

bool share_may_record(const struct worker *w, const struct share *s, size_t max)
{
	if (!may(s->records, w->shares.n > 1 ? SIZE_MAX : s->records, max, max - max / 2))
		return false;
	for (; s; s = s->above)
		if (!may(s->all_records, s->all_conns < w->conns.n ? SIZE_MAX : s->all_records, max,
			 max / 4))
			return false;
	return true;
}

void share_add_record(struct share *s)
{
	s->records++;
	for (; s; s = s->above)
		s->all_records++;
}

void share_remove_record(struct share *s)
{
	s->records--;
	for (; s; s = s->above)
		s->all_records--;
}

bool share_take_body(struct worker *w, struct share *s, uint64_t n)
{
	uint64_t all = w->set.bodies_bytes;

	if (w->shares.body_bytes + n > all || s->body_bytes + n > all / 4)
		return false;
	for (const struct share *a = s->above; a; a = a->above)
		if (a->all_body_bytes + n > all / 2)
			return false;
	w->shares.body_bytes += n;
	s->body_bytes += n;
	for (; s; s = s->above)
		s->all_body_bytes += n;
	return true;
}

void share_give_body(struct worker *w, struct share *s, uint64_t n)
{
	w->shares.body_bytes -= n;
	s->body_bytes -= n;
	for (; s; s = s->above)
		s->all_body_bytes -= n;
}
