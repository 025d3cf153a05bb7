/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <sys/mman.h>

int secret_new(size_t size, struct secret *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) & ~(page - 1);
	char *p;

	if (room == 0)
		room = page;
	p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	if (mlock(p, room) < 0 || madvise(p, room, MADV_DONTDUMP) < 0 ||
	    madvise(p, room, MADV_WIPEONFORK) < 0) {
		(void)munmap(p, room);
		return -ENOMEM;
	}
	*ret = (struct secret){ .p = p, .size = room };
	return 0;
}

void secret_clear(struct secret *s)
{
	if (s->p)
		explicit_bzero(s->p, s->size);
	s->n = 0;
}

void secret_free(struct secret *s)
{
	if (s->p) {
		explicit_bzero(s->p, s->size);
		(void)munmap(s->p, s->size);
	}
	*s = (struct secret){ 0 };
}

int secret_append(struct secret *s, const void *p, size_t n)
{
	if (n > s->size - s->n)
		return -EMSGSIZE;
	if (n)
		memcpy(s->p + s->n, p, n);
	s->n += n;
	return 0;
}

bool secret_eq(struct slice a, struct slice b)
{
	volatile unsigned char diff = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		diff |= (unsigned char)(a.p[i] ^ b.p[i]);
	return diff == 0;
}
