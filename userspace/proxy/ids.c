/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/ids.h"

#include <sys/random.h>

int ids_init(struct ids *ids)
{
	uint64_t random[2];
	ssize_t n = getrandom(random, sizeof(random), 0);

	if (n != (ssize_t)sizeof(random))
		return n < 0 ? -errno : -EIO;
	*ids = (struct ids){ .key = random[0], .process = random[1] };
	return 0;
}

/* The finaliser of splitmix64: invertible, so different counters give different words. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

void ids_next(struct ids *ids, uint8_t ret[16])
{
	uint64_t word = mix(ids->key + ids->next++);

	memcpy(ret, &word, 8);
	memcpy(ret + 8, &ids->process, 8);
}
