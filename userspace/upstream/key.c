/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/key.h"

#include <assert.h>

#include "base/hash.h"

static struct slice host_of(const struct upstream_key *k)
{
	return slice_of(k->text, k->host_n);
}

static struct slice credential_of(const struct upstream_key *k)
{
	return slice_of(k->text + k->host_n + 1, k->credential_n);
}

static uint64_t hash_of(const struct upstream_target *to)
{
	uint64_t h = HASH_SEED ^ (uint64_t)to->provider << 16 ^ to->port;

	return hash_bytes(hash_bytes(h, to->host), to->credential);
}

static struct upstream_key **bucket_of(struct upstream_keys *t, uint64_t hash)
{
	return &t->buckets[(hash ^ hash >> 32) % KEYS_BUCKETS];
}

static struct upstream_key *find(struct upstream_keys *t, const struct upstream_target *to,
				 uint64_t hash)
{
	struct upstream_key *k = *bucket_of(t, hash);

	while (k &&
	       (k->hash != hash || k->provider != to->provider || k->port != to->port ||
		!slice_eq(host_of(k), to->host) || !slice_eq(credential_of(k), to->credential)))
		k = k->next_hash;
	return k;
}

struct upstream_key *upstream_key_find(struct upstream_keys *t, const struct upstream_target *to)
{
	return find(t, to, hash_of(to));
}

static void link_unused(struct upstream_keys *t, struct upstream_key *k)
{
	k->newer = NULL;
	k->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = k;
	t->newest = k;
}

static void unlink_unused(struct upstream_keys *t, struct upstream_key *k)
{
	*(k->newer ? &k->newer->older : &t->newest) = k->older;
	*(k->older ? &k->older->newer : &t->oldest) = k->newer;
}

static void destroy(struct upstream_key *k)
{
	assert(!k->idle);
	SSL_SESSION_free(k->session);
	free(k);
}

static void retire(struct upstream_keys *t, struct upstream_key *k)
{
	struct upstream_key **at = bucket_of(t, k->hash);

	while (*at != k)
		at = &(*at)->next_hash;
	*at = k->next_hash;
	t->n--;
	k->retired = true;
	upstream_key_set_session(k, NULL);
	if (k->refs == 0) {
		unlink_unused(t, k);
		destroy(k);
	}
}

static int make(struct upstream_keys *t, const struct upstream_target *to, uint64_t hash,
		struct upstream_key **ret)
{
	struct upstream_key *k;

	if (t->n >= KEYS_MAX) {
		if (!t->oldest)
			return -EBUSY;
		retire(t, t->oldest);
	}
	k = calloc(1, sizeof(*k) + to->host.n + 1 + to->credential.n);
	if (!k)
		return -ENOMEM;
	k->table = t;
	k->hash = hash;
	k->provider = to->provider;
	k->port = to->port;
	k->host_n = to->host.n;
	k->credential_n = to->credential.n;
	memcpy(k->text, to->host.p, to->host.n);
	if (to->credential.n)
		memcpy(k->text + to->host.n + 1, to->credential.p, to->credential.n);
	k->next_hash = *bucket_of(t, hash);
	*bucket_of(t, hash) = k;
	t->n++;
	link_unused(t, k);
	*ret = k;
	return 0;
}

int upstream_key_get(struct upstream_keys *t, const struct upstream_target *to,
		     struct upstream_key **ret)
{
	uint64_t hash = hash_of(to);
	struct upstream_key *k = find(t, to, hash);
	int r = k ? 0 : make(t, to, hash, &k);

	if (r < 0)
		return r;
	*ret = upstream_key_ref(k);
	return 0;
}

struct upstream_key *upstream_key_ref(struct upstream_key *k)
{
	if (k->refs++ == 0)
		unlink_unused(k->table, k);
	return k;
}

void upstream_key_unref(struct upstream_key *k)
{
	if (!k || --k->refs)
		return;
	if (k->retired)
		destroy(k);
	else
		link_unused(k->table, k);
}

struct upstream_target upstream_key_target(const struct upstream_key *k)
{
	return (struct upstream_target){ .provider = k->provider,
					 .host = host_of(k),
					 .port = k->port,
					 .credential = credential_of(k) };
}

void upstream_key_set_session(struct upstream_key *k, SSL_SESSION *session)
{
	SSL_SESSION_free(k->session);
	k->session = k->retired ? NULL : session;
	if (k->retired)
		SSL_SESSION_free(session);
}

void upstream_keys_retire(struct upstream_keys *t, const struct slice *credential)
{
	for (size_t i = 0; i < KEYS_BUCKETS; i++) {
		struct upstream_key *next;

		for (struct upstream_key *k = t->buckets[i]; k; k = next) {
			next = k->next_hash;
			if (!credential || slice_eq(credential_of(k), *credential))
				retire(t, k);
		}
	}
}
