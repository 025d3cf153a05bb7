/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/slab.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "audit/slab_layout.h"
#include "egret/reasons.h"

/* Both sides use one struct; a process uses the worker's half or the recorder's. */
struct slab {
	int fd, wake_fd;
	struct slab_head *head; /* the mapping */
	struct slab_slot *slot; /* in it */
	uint32_t slots; /* our own copy: the mapping is not believed twice */

	/* worker: slots known to be free, as a stack, the first of the file on top; filled again
	 * from the states when some were released */
	uint32_t *free;
	uint32_t n_free;
	uint64_t released_seen; /* head->released at the last look: no look is worth it before it
				   moves */
	uint64_t seq; /* of the last commit */

	/* recorder: committed slots in order of their sequence numbers */
	struct pending {
		uint64_t seq;
		uint32_t at;
	} * pending;
	uint32_t n_pending, next,
		given; /* [next, next + given) were handed out by the last drain */
	uint64_t taken; /* sequence number up to which slots were collected */
};

/* ---- the file ---- */

static size_t size_for(uint32_t slots)
{
	return SLAB_SLOTS_AT(slots) + (size_t)slots * sizeof(struct slab_slot);
}

static bool is_slab(const struct slab_head *h, uint64_t file_size)
{
	return h->magic == SLAB_MAGIC && h->version == SLAB_VERSION &&
	       h->slot_size == sizeof(struct slab_slot) && h->slots > 0 &&
	       h->slots <= SLAB_SLOTS_MAX && file_size == size_for(h->slots);
}

static ssize_t read_head(int fd, struct slab_head *ret)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), 0);

	return n < 0 ? -errno : n;
}

/* 1 when some slot is not free, 0 when all are, or -errno. */
static int holds_records(int fd, uint32_t slots)
{
	_cleanup_free_ uint32_t *states = malloc(slots * sizeof(*states));
	ssize_t n;

	if (!states)
		return -ENOMEM;
	n = pread(fd, states, slots * sizeof(*states), sizeof(struct slab_head));
	if (n != (ssize_t)(slots * sizeof(*states)))
		return n < 0 ? -errno : -EIO;
	for (uint32_t i = 0; i < slots; i++)
		if (states[i] != SLAB_FREE)
			return 1;
	return 0;
}

int slab_format(int fd, uint32_t slots)
{
	struct slab_head h = { 0 };
	struct stat st;
	ssize_t n;
	int r;

	if (slots == 0 || slots > SLAB_SLOTS_MAX)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (read_head(fd, &h) == sizeof(h) && is_slab(&h, (uint64_t)st.st_size)) {
		r = h.slots == slots ? 1 : holds_records(fd, h.slots);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (ftruncate(fd, 0) < 0)
		return -errno;
	r = posix_fallocate(fd, 0, (off_t)size_for(slots));
	if (r != 0)
		return -r;
	/* Last, so that a file half made is made again. */
	h = (struct slab_head){ .magic = SLAB_MAGIC,
				.version = SLAB_VERSION,
				.slots = slots,
				.slot_size = sizeof(struct slab_slot) };
	n = pwrite(fd, &h, sizeof(h), 0);
	if (n != (ssize_t)sizeof(h))
		return n < 0 ? -errno : -EIO;
	return 0;
}

static int map(struct slab *s)
{
	struct slab_head h;
	struct stat st;
	ssize_t n = read_head(s->fd, &h);
	void *p;

	if (n < 0)
		return (int)n;
	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (n != sizeof(h) || !is_slab(&h, (uint64_t)st.st_size))
		return -EPROTO;
	p = mmap(NULL, size_for(h.slots), PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->head = p;
	s->slots = h.slots;
	s->slot = (void *)((char *)p + SLAB_SLOTS_AT(h.slots));
	s->free = calloc(s->slots, sizeof(*s->free));
	s->pending = calloc(s->slots, sizeof(*s->pending));
	return s->free && s->pending ? 0 : -ENOMEM;
}

int slab_new(int fd, int wake_fd, struct slab **ret)
{
	struct slab *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		cleanup_close(&fd);
		cleanup_close(&wake_fd);
		return -ENOMEM;
	}
	s->fd = fd;
	s->wake_fd = wake_fd;
	r = map(s);
	if (r < 0) {
		(void)slab_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct slab *slab_free(struct slab *s)
{
	if (!s)
		return NULL;
	if (s->head)
		(void)munmap(s->head, size_for(s->slots));
	cleanup_close(&s->fd);
	cleanup_close(&s->wake_fd);
	free(s->free);
	free(s->pending);
	free(s);
	return NULL;
}

int slab_wake_fd(const struct slab *s)
{
	return s->wake_fd;
}

uint32_t slab_slots(const struct slab *s)
{
	return s->slots;
}

/* Whole-file lock, owned by this process until it dies. */
static int lock_file(struct slab *s, int cmd, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET };
	int r;

	do {
		r = fcntl(s->fd, cmd, &l);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static void wake(struct slab *s)
{
	const uint64_t one = 1;

	if (s->wake_fd >= 0 && atomic_load(&s->head->sleeping) &&
	    atomic_exchange(&s->head->sleeping, 0))
		(void)!write(s->wake_fd, &one, sizeof(one));
}

/* Open slots that nobody owns become orphans, after everything that is committed. */
static size_t close_open(struct slab *s)
{
	uint64_t seq = atomic_load(&s->head->committed);
	size_t n = 0;

	/* A worker that died between making a slot committed and saying so left a higher number. */
	for (uint32_t i = 0; i < s->slots; i++)
		if (atomic_load(&s->head->state[i]) == SLAB_COMMITTED && s->slot[i].seq > seq)
			seq = s->slot[i].seq;
	for (uint32_t i = 0; i < s->slots; i++) {
		if (atomic_load(&s->head->state[i]) != SLAB_OPEN)
			continue;
		s->slot[i].seq = ++seq;
		atomic_store(&s->head->state[i], SLAB_ORPHANED);
		n++;
	}
	atomic_store(&s->head->committed, seq);
	return n;
}

/* A slot comes round after thousands of others, so it is in no cache: fetched while something else
 * is done, it costs nothing. */
static void fetch(const struct slab_slot *slot, bool to_write)
{
	const char *p = (const char *)slot;

	for (size_t i = 0; i < sizeof(*slot); i += 64) {
		if (to_write)
			__builtin_prefetch(p + i, 1);
		else
			__builtin_prefetch(p + i, 0);
	}
}

/* ---- the worker's half ---- */

static void collect_free(struct slab *s)
{
	/* Read first: what is released during the walk moves it again. */
	s->released_seen = atomic_load(&s->head->released);
	s->n_free = 0;
	for (uint32_t i = s->slots; i-- > 0;)
		if (atomic_load_explicit(&s->head->state[i], memory_order_acquire) == SLAB_FREE)
			s->free[s->n_free++] = i;
}

void slab_attach(struct slab *s)
{
	/* Waits for the recorder at most, which holds it while it closes slots. If it cannot be had
	 * (no memory for locks) the recorder may close our slots after its next orphan call;
	 * slab_commit() copes with that. */
	(void)lock_file(s, F_SETLKW, F_WRLCK);
	(void)close_open(s);
	s->seq = atomic_load(&s->head->committed);
	collect_free(s);
	wake(s);
}

struct eg_record *slab_open(struct slab *s)
{
	uint32_t i;

	/* Also while some are left: those used again are in the caches still. */
	if (atomic_load(&s->head->released) != s->released_seen)
		collect_free(s);
	if (s->n_free == 0)
		return NULL;
	i = s->free[--s->n_free];
	memset(&s->slot[i].record, 0, sizeof(s->slot[i].record));
	atomic_store_explicit(&s->head->state[i], SLAB_OPEN, memory_order_release);
	return &s->slot[i].record;
}

static uint32_t index_of(const struct slab *s, const struct eg_record *r)
{
	const char *base = (const char *)s->slot, *p = (const char *)r;
	size_t at = (size_t)(p - base) / sizeof(struct slab_slot);

	assert(p >= base && at < s->slots && r == &s->slot[at].record);
	return (uint32_t)at;
}

void slab_commit(struct slab *s, struct eg_record *r)
{
	uint32_t i = index_of(s, r), open = SLAB_OPEN;

	s->slot[i].seq = s->seq + 1;
	if (!atomic_compare_exchange_strong(&s->head->state[i], &open, SLAB_COMMITTED))
		return;
	s->seq++;
	if (s->n_free)
		fetch(&s->slot[s->free[s->n_free - 1]], true);
	/* After the state: whoever reads this number sees every slot up to it. */
	atomic_store(&s->head->committed, s->seq);
	wake(s);
}

/* ---- the recorder's half ---- */

static int by_seq(const void *a, const void *b)
{
	const struct pending *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Collects what is committed, up to the number read first: all of those are visible by now. */
static void collect_committed(struct slab *s)
{
	uint64_t upto = atomic_load(&s->head->committed);

	s->n_pending = s->next = 0;
	for (uint32_t i = 0; i < s->slots; i++) {
		uint32_t state = atomic_load(&s->head->state[i]);

		if (state != SLAB_COMMITTED && state != SLAB_ORPHANED)
			continue; /* without a look at the slot, which is in no cache */
		if (s->slot[i].seq <= upto)
			s->pending[s->n_pending++] =
				(struct pending){ .seq = s->slot[i].seq, .at = i };
	}
	s->taken = upto;
	qsort(s->pending, s->n_pending, sizeof(*s->pending), by_seq);
}

#define TERMINATE(field) ((field)[sizeof(field) - 1] = '\0')

static void sanitize(struct eg_record *r, bool orphaned)
{
	TERMINATE(r->workload);
	TERMINATE(r->provider);
	TERMINATE(r->operation);
	TERMINATE(r->credential);
	TERMINATE(r->rule);
	TERMINATE(r->shadow_rule);
	TERMINATE(r->model);
	TERMINATE(r->host);
	TERMINATE(r->method);
	TERMINATE(r->path);
	TERMINATE(r->exe);
	TERMINATE(r->cgroup_path);
	TERMINATE(r->container);
	TERMINATE(r->detail);
	/* An impossible decision must not read as `allowed`. */
	if (r->decision >= EG_REASON_COUNT)
		r->decision = EG_REASON_bad_request;
	if (r->end >= EG_REASON_COUNT)
		r->end = EG_REASON_worker_died;
	if (orphaned)
		r->end = EG_REASON_worker_died;
	if (r->status > 999)
		r->status = 0;
}

static bool has_id(const struct eg_record *r)
{
	static const uint8_t none[sizeof(r->request_id)];

	return memcmp(r->request_id, none, sizeof(none)) != 0;
}

size_t slab_drain(struct slab *s, size_t max, slab_fn fn, void *ctx)
{
	struct eg_record r; /* a copy: the slot is not believed twice */
	uint64_t count;

	if (s->wake_fd >= 0)
		(void)!read(s->wake_fd, &count, sizeof(count));
	if (s->next == s->n_pending)
		collect_committed(s);
	s->given = 0;
	while (s->given < max && s->next + s->given < s->n_pending) {
		uint32_t i = s->pending[s->next + s->given++].at;

		if (s->next + s->given < s->n_pending)
			fetch(&s->slot[s->pending[s->next + s->given].at], false);
		memcpy(&r, &s->slot[i].record, sizeof(r));
		sanitize(&r, atomic_load(&s->head->state[i]) == SLAB_ORPHANED);
		if (has_id(&r))
			fn(ctx, &r);
	}
	return s->given;
}

void slab_release(struct slab *s)
{
	if (s->given == 0)
		return;
	for (; s->given; s->given--, s->next++)
		atomic_store_explicit(&s->head->state[s->pending[s->next].at], SLAB_FREE,
				      memory_order_release);
	(void)atomic_fetch_add(&s->head->released, 1);
}

size_t slab_orphan(struct slab *s)
{
	size_t n;

	/* A living worker holds the lock; then it has closed its predecessor's slots itself. */
	if (lock_file(s, F_SETLK, F_WRLCK) < 0)
		return 0;
	n = close_open(s);
	(void)lock_file(s, F_SETLK, F_UNLCK);
	return n;
}

bool slab_prepare_sleep(struct slab *s)
{
	if (s->next != s->n_pending)
		return false;
	atomic_store(&s->head->sleeping, 1);
	if (atomic_load(&s->head->committed) == s->taken)
		return true;
	atomic_store(&s->head->sleeping, 0);
	return false;
}

size_t slab_waiting(struct slab *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->slots; i++) {
		uint32_t state = atomic_load(&s->head->state[i]);

		n += state == SLAB_COMMITTED || state == SLAB_ORPHANED;
	}
	return n;
}
