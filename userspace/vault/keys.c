/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/keys.h"

#include "base/digest.h"
#include "base/hash.h"

#define BUCKETS		  256u
#define FINGERPRINT_BYTES 8u /* as in the records' key_fingerprint */
#define LAST4_FROM	  16u

struct keys {
	struct key *bucket[BUCKETS];
	size_t n;
	uint32_t generation;
	struct secret fingerprint_key;
};

int keys_trim(struct secret *value)
{
	if (value->n && value->p[value->n - 1] == '\n')
		value->n--;
	if (value->n && value->p[value->n - 1] == '\r')
		value->n--;
	if (value->n == 0)
		return -ENODATA;
	if (value->n > KEYS_VALUE_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < value->n; i++)
		if (value->p[i] <= ' ' || value->p[i] > '~')
			return -EILSEQ;
	return 0;
}

int keys_new(const uint8_t fingerprint_key[32], struct keys **ret)
{
	struct keys *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	r = secret_new(32, &k->fingerprint_key);
	if (r == 0)
		r = secret_append(&k->fingerprint_key, fingerprint_key, 32);
	if (r < 0) {
		(void)keys_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

static struct key *key_free(struct key *key)
{
	if (key)
		secret_free(&key->value);
	free(key);
	return NULL;
}

struct keys *keys_free(struct keys *k)
{
	if (!k)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (k->bucket[i]) {
			struct key *key = k->bucket[i];

			k->bucket[i] = key->next;
			(void)key_free(key);
		}
	}
	secret_free(&k->fingerprint_key);
	free(k);
	return NULL;
}

static struct key **place_of(struct keys *k, const char *id)
{
	struct key **at = &k->bucket[hash_bytes(HASH_SEED, slice_str(id)) % BUCKETS];

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

static bool is_name(const char name[EG_NAME_MAX])
{
	return name[0] && memchr(name, '\0', EG_NAME_MAX);
}

/* The entry of that id, made if need be. */
static int get_or_add(struct keys *k, const struct eg_credential *c, struct key **ret)
{
	struct key **at, *key;

	if (!is_name(c->id) || !is_name(c->provider))
		return -EINVAL;
	at = place_of(k, c->id);
	if (*at) {
		*ret = *at;
		return 0;
	}
	if (k->n == KEYS_MAX)
		return -ENOSPC;
	key = calloc(1, sizeof(*key));
	if (!key)
		return -ENOMEM;
	(void)slice_copy(slice_str(c->id), key->id, sizeof(key->id));
	(void)slice_copy(slice_str(c->provider), key->provider, sizeof(key->provider));
	key->error = -EIO;
	*at = key;
	k->n++;
	*ret = key;
	return 0;
}

static int describe(const struct keys *k, struct slice value, struct key *key)
{
	uint8_t mac[DIGEST_SIZE];
	int r = digest_hmac(secret_slice(&k->fingerprint_key), value, mac);

	if (r < 0)
		return r;
	digest_hex(mac, FINGERPRINT_BYTES, key->fingerprint);
	key->last4[0] = '\0';
	if (value.n >= LAST4_FROM)
		(void)slice_copy(slice_of(value.p + value.n - 4, 4), key->last4,
				 sizeof(key->last4));
	return 0;
}

static bool is_same(const struct key *key, const struct eg_credential *c, struct slice value)
{
	return strcmp(key->provider, c->provider) == 0 &&
	       secret_eq(secret_slice(&key->value), value);
}

static int replace(struct keys *k, struct key *key, const struct eg_credential *c,
		   struct secret *value)
{
	int r = describe(k, secret_slice(value), key);

	if (r < 0)
		return r;
	secret_free(&key->value);
	key->value = *value;
	*value = (struct secret){ 0 };
	(void)slice_copy(slice_str(c->provider), key->provider, sizeof(key->provider));
	key->generation = ++k->generation;
	return 0;
}

int keys_put(struct keys *k, const struct eg_credential *c, struct secret *value,
	     const struct key **ret, bool *ret_changed)
{
	struct key *key = NULL;
	bool had = false, same = false;
	int r = get_or_add(k, c, &key);

	if (r == 0) {
		had = key->value.n > 0;
		same = had && is_same(key, c, secret_slice(value));
	}
	if (r == 0 && !same)
		r = replace(k, key, c, value);
	secret_free(value);
	if (r < 0)
		return r;
	key->error = 0;
	*ret = key;
	*ret_changed = had && !same;
	return 0;
}

int keys_fail(struct keys *k, const struct eg_credential *c, int error)
{
	struct key *key = NULL;
	int r = get_or_add(k, c, &key);

	if (r == 0 && key->value.n == 0)
		key->error = error;
	return r;
}

bool keys_drop(struct keys *k, const char *id)
{
	struct key **at = place_of(k, id), *key = *at;

	if (!key)
		return false;
	*at = key->next;
	(void)key_free(key);
	k->n--;
	k->generation++;
	return true;
}

const struct key *keys_find(const struct keys *k, const char *id, const char *provider)
{
	const char *wanted = id[0] ? id : provider;
	const struct key *key = k->bucket[hash_bytes(HASH_SEED, slice_str(wanted)) % BUCKETS];

	while (key && strcmp(key->id, wanted) != 0)
		key = key->next;
	/* A key never goes to another provider than its own, whatever a rule says. */
	return key && strcmp(key->provider, provider) == 0 ? key : NULL;
}

uint32_t keys_generation(const struct keys *k)
{
	return k->generation;
}
