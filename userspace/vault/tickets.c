/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tickets.h"

#include <openssl/rand.h>

static struct eg_tickets *keys_of(struct tickets *t)
{
	return (struct eg_tickets *)(void *)t->keys.p;
}

static int fresh(unsigned char key[80])
{
	/* The first 16 bytes are a name that is sent in the clear: from the public generator. */
	return RAND_bytes(key, 16) == 1 && RAND_priv_bytes(key + 16, 64) == 1 ? 0 : -EIO;
}

int tickets_init(struct tickets *t, uint64_t now_us)
{
	int r;

	*t = (struct tickets){ .made_us = now_us };
	r = secret_new(sizeof(struct eg_tickets), &t->keys);
	if (r < 0)
		return r;
	t->keys.n = sizeof(struct eg_tickets);
	/* A previous key that nobody has ever used. */
	if (fresh(keys_of(t)->key) < 0 || fresh(keys_of(t)->previous) < 0) {
		tickets_done(t);
		return -EIO;
	}
	return 0;
}

void tickets_done(struct tickets *t)
{
	secret_free(&t->keys);
}

int tickets_get(struct tickets *t, uint64_t now_us, const struct eg_tickets **ret)
{
	struct eg_tickets *k = keys_of(t);

	if (now_us - t->made_us >= 2 * TICKETS_ROTATE_US && fresh(k->key) < 0)
		return -EIO; /* both are too old: the one that becomes `previous` is new, too */
	if (now_us - t->made_us >= TICKETS_ROTATE_US) {
		memcpy(k->previous, k->key, sizeof(k->previous));
		if (fresh(k->key) < 0)
			return -EIO;
		t->made_us = now_us;
	}
	*ret = k;
	return 0;
}
