/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/hasher.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/hash.h"

#define KNOWN_MAX   1024 /* contents remembered; the least recently used goes first */
#define SLOTS	    2048
#define JOBS_MAX    64
#define OWNER_MAX   8 /* files of one owner at a time */
#define WAITERS_MAX 4096
#define SLICE_BYTES (256u << 10)
/* A file changed this recently may change again within one tick of its change time. */
#define SETTLED_S   2

struct known {
	struct exe_key key;
	uint8_t sha256[DIGEST_SIZE];
	uint32_t next; /* in its slot: number + 1 */
	uint32_t newer, older; /* number + 1, by last use */
};

struct waiter {
	hasher_fn fn;
	void *ctx;
	struct waiter *next;
};

struct job {
	int fd;
	struct exe_key key;
	uint32_t owner; /* 0: nobody waits */
	struct digest *digest;
	uint64_t done; /* bytes */
	uint64_t begun_s; /* wall clock */
	struct waiter *waiters;
	struct job *next;
};

struct hasher {
	struct loop *loop;
	struct later later; /* does a slice each turn of the loop, however busy it is */
	struct idle idle; /* keeps the loop turning while there are jobs */
	uint64_t bytes_max;
	struct job *jobs; /* the next one to have its turn first */
	size_t n_jobs, n_waiters, n_reads;
	char *chunk;
	struct known *known;
	uint32_t n_known, newest, oldest;
	uint32_t slots[SLOTS];
};

int hasher_new(struct loop *l, uint64_t bytes_max, struct hasher **ret)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = l;
	h->bytes_max = bytes_max;
	h->chunk = malloc(SLICE_BYTES);
	h->known = calloc(KNOWN_MAX, sizeof(*h->known));
	if (!h->chunk || !h->known) {
		(void)hasher_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

static struct job *job_free(struct job *j)
{
	if (!j)
		return NULL;
	cleanup_close(&j->fd);
	(void)digest_free(j->digest);
	free(j);
	return NULL;
}

static void take_job(struct hasher *h, struct job *j)
{
	struct job **at = &h->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	j->next = NULL;
	h->n_jobs--;
}

static void put_job_last(struct hasher *h, struct job *j)
{
	struct job **at = &h->jobs;

	while (*at)
		at = &(*at)->next;
	*at = j;
	h->n_jobs++;
}

/* Takes the job away first, then tells its waiters: they may start others. */
static void end_job(struct hasher *h, struct job *j, int error, const uint8_t *sha256)
{
	take_job(h, j);
	for (struct waiter *w = j->waiters, *next; w; w = next) {
		next = w->next;
		h->n_waiters--;
		if (w->fn)
			w->fn(w->ctx, error, sha256);
		free(w);
	}
	(void)job_free(j);
}

struct hasher *hasher_free(struct hasher *h)
{
	if (!h)
		return NULL;
	later_disarm(&h->later);
	idle_disarm(&h->idle);
	while (h->jobs)
		end_job(h, h->jobs, -ECANCELED, NULL);
	free(h->chunk);
	free(h->known);
	free(h);
	return NULL;
}

static uint32_t *slot_of(struct hasher *h, const struct exe_key *key)
{
	return &h->slots[hash_bytes(HASH_SEED, slice_of(key, sizeof(*key))) % SLOTS];
}

static struct known *known_at(struct hasher *h, uint32_t link)
{
	return link ? &h->known[link - 1] : NULL;
}

static void unlink_use(struct hasher *h, struct known *k)
{
	struct known *newer = known_at(h, k->newer), *older = known_at(h, k->older);

	*(newer ? &newer->older : &h->newest) = k->older;
	*(older ? &older->newer : &h->oldest) = k->newer;
}

static void link_newest(struct hasher *h, struct known *k)
{
	uint32_t link = (uint32_t)(k - h->known) + 1;
	struct known *second = known_at(h, h->newest);

	k->newer = 0;
	k->older = h->newest;
	*(second ? &second->newer : &h->oldest) = link;
	h->newest = link;
}

const uint8_t *hasher_find(struct hasher *h, const struct exe_key *key)
{
	struct known *k = known_at(h, *slot_of(h, key));

	while (k && !exe_key_eq(&k->key, key))
		k = known_at(h, k->next);
	if (!k)
		return NULL;
	unlink_use(h, k);
	link_newest(h, k);
	return k->sha256;
}

static void unlink_slot(struct hasher *h, struct known *k)
{
	uint32_t link = (uint32_t)(k - h->known) + 1, *at = slot_of(h, &k->key);

	while (*at && *at != link)
		at = &h->known[*at - 1].next;
	if (*at)
		*at = k->next;
}

static void remember(struct hasher *h, const struct job *j, const uint8_t *sha256)
{
	uint32_t *slot = slot_of(h, &j->key);
	struct known *k;

	if (hasher_find(h, &j->key) || j->begun_s < j->key.ctime_s + SETTLED_S)
		return;
	if (h->n_known < KNOWN_MAX) {
		k = &h->known[h->n_known++];
	} else {
		k = known_at(h, h->oldest);
		unlink_use(h, k);
		unlink_slot(h, k);
	}
	*k = (struct known){ .key = j->key, .next = *slot };
	memcpy(k->sha256, sha256, sizeof(k->sha256));
	*slot = (uint32_t)(k - h->known) + 1;
	link_newest(h, k);
}

/* Reads one slice. 1: more to read; 0: done; -errno. */
static int read_slice(struct hasher *h, struct job *j)
{
	ssize_t n = pread(j->fd, h->chunk, SLICE_BYTES, (off_t)j->done);

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	j->done += (uint64_t)n;
	/* Grown beyond what it had when it was looked at: not the same content. */
	if (j->done > j->key.size)
		return -ESTALE;
	if (n == 0)
		return j->done == j->key.size ? 0 : -ESTALE;
	return digest_update(j->digest, slice_of(h->chunk, (size_t)n)) < 0 ? -EIO : 1;
}

static int finish(struct hasher *h, struct job *j, uint8_t *sha256)
{
	struct exe_key now;

	if (digest_final(j->digest, sha256) < 0)
		return -EIO;
	if (exe_key_of(j->fd, &now) < 0 || !exe_key_eq(&now, &j->key))
		return -ESTALE;
	h->n_reads++;
	remember(h, j, sha256);
	return 0;
}

/* Who is waited for goes before who is not. */
static struct job *next_job(struct hasher *h)
{
	struct job *j = h->jobs;

	while (j && !j->owner)
		j = j->next;
	return j ? j : h->jobs;
}

static void on_turn(struct later *w)
{
	struct hasher *h = container_of(w, struct hasher, later);
	struct job *j = next_job(h);
	uint8_t sha256[DIGEST_SIZE];
	int r;

	if (!j) {
		idle_disarm(&h->idle);
		return;
	}
	later_arm(&h->later, h->loop, on_turn);
	r = read_slice(h, j);
	if (r > 0) {
		take_job(h, j);
		put_job_last(h, j);
		return;
	}
	if (r == 0)
		r = finish(h, j, sha256);
	end_job(h, j, r, r == 0 ? sha256 : NULL);
}

static void on_idle(struct idle *w)
{
	(void)w;
}

static struct job *find_job(struct hasher *h, const struct exe_key *key)
{
	struct job *j = h->jobs;

	while (j && !exe_key_eq(&j->key, key))
		j = j->next;
	return j;
}

/* Takes fd. */
static struct job *new_job(struct hasher *h, int fd, const struct exe_key *key)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j || digest_new(&j->digest) < 0) {
		(void)close(fd);
		free(j);
		return NULL;
	}
	j->fd = fd;
	j->key = *key;
	j->begun_s = clock_wall_us() / 1000000;
	put_job_last(h, j);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	later_arm(&h->later, h->loop, on_turn);
	idle_arm(&h->idle, h->loop, on_idle);
	return j;
}

static bool is_full(const struct hasher *h, uint32_t owner)
{
	size_t n = 0;

	for (const struct job *j = h->jobs; j; j = j->next)
		n += j->owner == owner;
	return n >= OWNER_MAX || h->n_jobs >= JOBS_MAX;
}

int hasher_start(struct hasher *h, int fd, const struct exe_key *key, uint32_t owner, hasher_fn fn,
		 void *ctx)
{
	_cleanup_close_ int owned = fd;
	struct job *j = find_job(h, key);
	struct waiter *w;

	if (!hasher_may_read(h, key))
		return -EFBIG;
	if (h->n_waiters >= WAITERS_MAX || (!j && is_full(h, owner)))
		return -ENOBUFS;
	w = calloc(1, sizeof(*w));
	if (w && !j)
		j = new_job(h, TAKE_FD(owned), key);
	if (!w || !j) {
		free(w);
		return -ENOMEM;
	}
	if (!j->owner)
		j->owner = owner;
	*w = (struct waiter){ .fn = fn, .ctx = ctx, .next = j->waiters };
	j->waiters = w;
	h->n_waiters++;
	return 0;
}

bool hasher_may_read(const struct hasher *h, const struct exe_key *key)
{
	return key->size <= h->bytes_max;
}

size_t hasher_reads(const struct hasher *h)
{
	return h->n_reads;
}
