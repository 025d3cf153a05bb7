/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/lease.h"

#include "base/hash.h"

#define BUCKETS 1024u

struct pair {
	struct pair *next;
	uint64_t grants;
	char credential[EG_NAME_MAX];
	char workload[EG_NAME_MAX];
};

struct leases {
	uint32_t ttl_ms;
	struct pair *bucket[BUCKETS];
	size_t n;
};

int leases_new(uint32_t ttl_ms, struct leases **ret)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->ttl_ms = ttl_ms;
	*ret = l;
	return 0;
}

struct leases *leases_free(struct leases *l)
{
	for (size_t i = 0; l && i < BUCKETS; i++) {
		while (l->bucket[i]) {
			struct pair *p = l->bucket[i];

			l->bucket[i] = p->next;
			free(p);
		}
	}
	free(l);
	return NULL;
}

static size_t bucket_of(const char *credential, const char *workload)
{
	return hash_bytes(hash_bytes(HASH_SEED, slice_str(credential)), slice_str(workload)) %
	       BUCKETS;
}

static struct pair *find(const struct leases *l, const char *credential, const char *workload)
{
	struct pair *p = l->bucket[bucket_of(credential, workload)];

	while (p && (strcmp(p->credential, credential) != 0 || strcmp(p->workload, workload) != 0))
		p = p->next;
	return p;
}

/* True the first time. Names come from workers, so there is an end to them: beyond it grants go
 * uncounted (they are in the audit log all the same, request by request). */
static bool count(struct leases *l, const char *credential, const char *workload)
{
	struct pair *p = find(l, credential, workload);
	size_t at;

	if (p) {
		p->grants++;
		return false;
	}
	if (l->n == LEASE_PAIRS_MAX)
		return false;
	p = calloc(1, sizeof(*p));
	if (!p)
		return false;
	at = bucket_of(credential, workload);
	*p = (struct pair){ .next = l->bucket[at], .grants = 1 };
	(void)slice_copy(slice_str(credential), p->credential, sizeof(p->credential));
	(void)slice_copy(slice_str(workload), p->workload, sizeof(p->workload));
	l->bucket[at] = p;
	l->n++;
	return true;
}

static bool is_terminated(const struct eg_lease *q)
{
	return memchr(q->credential, 0, sizeof(q->credential)) &&
	       memchr(q->provider, 0, sizeof(q->provider)) &&
	       memchr(q->workload, 0, sizeof(q->workload));
}

void leases_grant(struct leases *l, const struct keys *k, const struct eg_lease *q,
		  struct eg_leased *ret, struct slice *ret_value, bool *ret_first)
{
	const struct key *key = NULL;

	/* Not the key's own generation: a lease given after a revocation must outlive it. */
	*ret = (struct eg_leased){ .generation = keys_generation(k), .ttl_ms = l->ttl_ms };
	*ret_value = SLICE("");
	*ret_first = false;
	if (is_terminated(q))
		key = keys_find(k, q->credential, q->provider);
	else
		ret->status = EINVAL;
	if (!key) {
		ret->status = ret->status ? ret->status : ENOENT;
		return;
	}
	if (key->error) {
		ret->status = EIO;
		return;
	}
	*ret_value = secret_slice(&key->value);
	ret->n = (uint32_t)ret_value->n;
	*ret_first = count(l, key->id, q->workload);
}

uint64_t leases_count(const struct leases *l, const char *credential, const char *workload)
{
	const struct pair *p = find(l, credential, workload);

	return p ? p->grants : 0;
}
