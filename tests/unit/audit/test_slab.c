/* SPDX-License-Identifier: Apache-2.0 */
/* The slab: order, full, crashes of either side at any point, a hostile worker's content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/slab.h"
#include "audit/slab_layout.h"
#include "egret/reasons.h"

#define SLOTS 16u

static int slab_file(uint32_t slots)
{
	int fd = memfd_create("slab", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(slab_format(fd, slots), 0);
	return fd;
}

static struct slab *open_slab(int fd, int wake_fd)
{
	struct slab *s = NULL;

	assert_int_equal(slab_new(dup(fd), wake_fd < 0 ? -EBADF : dup(wake_fd), &s), 0);
	return s;
}

static void put_id(struct eg_record *r, uint32_t id)
{
	memcpy(r->request_id, &id, sizeof(id));
	r->request_id[15] = 1;
}

static uint32_t get_id(const struct eg_record *r)
{
	uint32_t id;

	memcpy(&id, r->request_id, sizeof(id));
	return id;
}

static bool put(struct slab *s, uint32_t id)
{
	struct eg_record *r = slab_open(s);

	if (!r)
		return false;
	put_id(r, id);
	slab_commit(s, r);
	return true;
}

struct seen {
	uint32_t id[70000];
	uint32_t end[70000];
	size_t n;
	struct eg_record last;
};

static struct seen *seen_new(void)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	assert_non_null(seen);
	return seen;
}

static void note(void *ctx, const struct eg_record *r)
{
	struct seen *seen = ctx;

	assert_true(seen->n < 70000);
	seen->id[seen->n] = get_id(r);
	seen->end[seen->n++] = r->end;
	seen->last = *r;
}

static void drain_all(struct slab *s, struct seen *seen)
{
	while (slab_drain(s, 5, note, seen))
		slab_release(s);
}

static void records_come_oldest_first(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS);
	struct slab *w = open_slab(fd, -1), *r = open_slab(fd, -1);
	struct eg_record *slow;
	uint32_t id = 1;

	(void)state;
	slab_attach(w);
	/* Slots are reused in every order, and a long one ends after many short ones. */
	for (int round = 0; round < 20; round++) {
		slow = slab_open(w);
		assert_non_null(slow);
		for (int i = 0; i < 7; i++)
			assert_true(put(w, id++));
		put_id(slow, id++);
		slab_commit(w, slow);
		assert_true(put(w, id++));
		drain_all(r, seen);
	}
	assert_int_equal(seen->n, id - 1);
	for (size_t i = 0; i < seen->n; i++)
		assert_int_equal(seen->id[i], i + 1);
	(void)slab_free(w);
	(void)slab_free(r);
	(void)close(fd);
}

static void full_slab_refuses_until_released(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS);
	struct slab *w = open_slab(fd, -1), *r = open_slab(fd, -1);

	(void)state;
	slab_attach(w);
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_true(put(w, i));
	assert_null(slab_open(w));
	assert_int_equal(slab_drain(r, 3, note, seen), 3);
	assert_null(slab_open(w)); /* drained is not stored */
	slab_release(r);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(put(w, 100 + i));
	assert_null(slab_open(w));
	drain_all(r, seen);
	assert_int_equal(seen->n, SLOTS + 3);
	(void)slab_free(w);
	(void)slab_free(r);
	(void)close(fd);
}

static void released_slots_are_used_before_others(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS);
	struct slab *w = open_slab(fd, -1), *r = open_slab(fd, -1);
	struct eg_record *first;

	(void)state;
	slab_attach(w);
	first = slab_open(w);
	put_id(first, 1);
	slab_commit(w, first);
	assert_true(put(w, 2)); /* not released: another */
	assert_int_equal(slab_drain(r, 1, note, seen), 1);
	slab_release(r);
	assert_ptr_equal(slab_open(w), first);
	assert_ptr_not_equal(slab_open(w), first);
	(void)slab_free(w);
	(void)slab_free(r);
	close(fd);
}

static void unreleased_records_come_again(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS);
	struct slab *w = open_slab(fd, -1), *r = open_slab(fd, -1);

	(void)state;
	slab_attach(w);
	for (uint32_t i = 1; i <= 4; i++)
		assert_true(put(w, i));
	assert_int_equal(slab_drain(r, 3, note, seen), 3);
	assert_int_equal(slab_drain(r, 3, note, seen), 3); /* the store failed: once more */
	assert_int_equal(seen->id[3], 1);
	assert_int_equal(slab_waiting(r), 4);
	/* And to another recorder after the first one's death. */
	(void)slab_free(r);
	r = open_slab(fd, -1);
	seen->n = 0;
	drain_all(r, seen);
	assert_int_equal(seen->n, 4);
	assert_int_equal(slab_waiting(r), 0);
	(void)slab_free(w);
	(void)slab_free(r);
	(void)close(fd);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void only_a_sleeping_recorder_is_woken(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS), wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct slab *w = open_slab(fd, wake), *r = open_slab(fd, wake);

	(void)state;
	slab_attach(w);
	assert_true(put(w, 1));
	assert_false(is_readable(wake));
	assert_false(slab_prepare_sleep(r)); /* something is there */
	assert_false(is_readable(wake));
	drain_all(r, seen);
	assert_true(slab_prepare_sleep(r));
	assert_true(put(w, 2));
	assert_true(is_readable(wake));
	assert_true(put(w, 3));
	drain_all(r, seen);
	assert_false(is_readable(wake));
	assert_int_equal(seen->n, 3);
	(void)slab_free(w);
	(void)slab_free(r);
	(void)close(fd);
	(void)close(wake);
}

/* ---- crashes ---- */

struct progress {
	_Atomic uint32_t begun, committed;
};

static void work_until_killed(int fd, struct progress *p, uint32_t id)
{
	struct slab *w = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (slab_new(dup(fd), -EBADF, &w) < 0)
		_exit(1);
	slab_attach(w);
	for (;;) {
		struct eg_record *r = slab_open(w);

		if (!r)
			continue;
		atomic_store(&p->begun, id);
		put_id(r, id);
		slab_commit(w, r);
		atomic_store(&p->committed, id++);
	}
}

/* A worker is killed at a random point, again and again: what it committed is there, once. */
static void killed_worker_loses_nothing(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(64);
	struct slab *r = open_slab(fd, -1);
	struct progress *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t last = 0, died = 0;

	(void)state;
	assert_true(p != MAP_FAILED);
	srandom(7);
	for (int round = 0; round < 40; round++) {
		uint32_t stop_at = last + 1 + (uint32_t)random() % 500;
		pid_t pid = fork();
		int status;

		if (pid == 0)
			work_until_killed(fd, p, last + 1);
		assert_true(pid > 0);
		while (atomic_load(&p->committed) < stop_at) {
			(void)slab_orphan(r); /* the living worker's open slots are its own */
			if (slab_drain(r, 5, note, seen))
				slab_release(r);
		}
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		if (round % 2) /* every second time the successor alone cleans up */
			(void)slab_orphan(r);
		last = atomic_load(&p->begun);
	}
	(void)slab_orphan(r);
	drain_all(r, seen);
	assert_int_equal(slab_waiting(r), 0);
	/* Each id exactly once, in order; at most the one in flight at a kill is missing, and then
	 * it had not been filled in. */
	for (size_t i = 0; i < seen->n; i++) {
		if (i && seen->id[i] <= seen->id[i - 1])
			fail_msg("%u after %u (%zu of %zu)", seen->id[i], seen->id[i - 1], i,
				 seen->n);
		died += seen->end[i] == EG_REASON_worker_died;
	}
	assert_true(died <= 40);
	assert_true(seen->n >= atomic_load(&p->committed) - 40 && seen->n <= last);
	assert_int_equal(seen->id[seen->n - 1] >= atomic_load(&p->committed), 1);
	(void)munmap(p, sizeof(*p));
	(void)slab_free(r);
	(void)close(fd);
}

static void open_slots_of_a_dead_worker_are_closed(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS);
	struct slab *r = open_slab(fd, -1);
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct slab *w = open_slab(fd, -1);
		struct eg_record *rec;

		slab_attach(w);
		(void)put(w, 1);
		rec = slab_open(w);
		put_id(rec, 2);
		rec->status = 200;
		(void)slab_open(w); /* opened, nothing decided */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(slab_orphan(r), 2);
	assert_int_equal(slab_orphan(r), 0);
	drain_all(r, seen);
	assert_int_equal(seen->n, 2);
	assert_int_equal(seen->id[1], 2);
	assert_int_equal(seen->end[0], EG_REASON_allowed);
	assert_int_equal(seen->end[1], EG_REASON_worker_died);
	assert_int_equal(seen->last.status, 200);
	(void)slab_free(r);
	(void)close(fd);
}

static void open_slots_of_a_living_worker_are_left(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS), go[2], ready[2], status;
	struct slab *r = open_slab(fd, -1);
	pid_t pid;
	char c = 0;

	(void)state;
	assert_int_equal(pipe(go) | pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct slab *w = open_slab(fd, -1);
		struct eg_record *rec;

		slab_attach(w);
		rec = slab_open(w);
		put_id(rec, 5);
		(void)!write(ready[1], &c, 1);
		(void)!read(go[0], &c, 1);
		slab_commit(w, rec);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(slab_orphan(r), 0); /* a late message about its predecessor's death */
	assert_int_equal(write(go[1], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	drain_all(r, seen);
	assert_int_equal(seen->n, 1);
	assert_int_equal(seen->end[0], EG_REASON_allowed);
	for (int i = 0; i < 2; i++) {
		(void)close(go[i]);
		(void)close(ready[i]);
	}
	(void)slab_free(r);
	(void)close(fd);
}

/* ---- a hostile worker ---- */

static struct slab_head *raw_map(int fd, struct slab_slot **ret)
{
	struct stat st;
	char *p;

	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	*ret = (void *)(p + SLAB_SLOTS_AT(((struct slab_head *)(void *)p)->slots));
	return (void *)p;
}

static void assert_terminated(void *ctx, const struct eg_record *r)
{
	(*(unsigned *)ctx)++;
	assert_true(memchr(r->workload, 0, sizeof(r->workload)) != NULL);
	assert_true(memchr(r->model, 0, sizeof(r->model)) != NULL);
	assert_true(memchr(r->path, 0, sizeof(r->path)) != NULL);
	assert_true(memchr(r->exe, 0, sizeof(r->exe)) != NULL);
	assert_true(memchr(r->detail, 0, sizeof(r->detail)) != NULL);
	assert_true(memchr(r->cgroup_path, 0, sizeof(r->cgroup_path)) != NULL);
	assert_true(memchr(r->container, 0, sizeof(r->container)) != NULL);
	assert_true(r->decision > EG_REASON_allowed && r->decision < EG_REASON_COUNT);
	assert_true(r->end < EG_REASON_COUNT);
	assert_true(r->status <= 999);
}

static void garbage_is_bounded(void **state)
{
	int fd = slab_file(SLOTS);
	struct slab *r = open_slab(fd, -1);
	struct slab_slot *slot;
	struct slab_head *h = raw_map(fd, &slot);
	unsigned n = 0;

	(void)state;
	memset(slot, 0xff, SLOTS * sizeof(*slot));
	for (uint32_t i = 0; i < SLOTS; i++)
		h->state[i] = i % 2 ? SLAB_COMMITTED : 0xffffffff;
	h->committed = UINT64_MAX;
	h->slots = 1u << 30; /* the recorder has its own copy */
	assert_int_equal(slab_drain(r, 1000, assert_terminated, &n), SLOTS / 2);
	assert_int_equal(n, SLOTS / 2);
	slab_release(r);
	assert_true(slab_prepare_sleep(r));
	h->committed = 0;
	assert_int_equal(slab_drain(r, 1000, assert_terminated, &n), 0);
	assert_true(slab_prepare_sleep(r));
	(void)slab_free(r);
	(void)close(fd);
}

static void what_is_no_slab_is_refused(void **state)
{
	struct slab *s = NULL;
	int fd = slab_file(SLOTS);

	(void)state;
	assert_int_equal(slab_new(-EBADF, -EBADF, &s), -EBADF);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(slab_new(dup(fd), -EBADF, &s), -EPROTO);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(slab_new(dup(fd), -EBADF, &s), -EPROTO);
	assert_int_equal(slab_format(fd, 0), -EINVAL);
	assert_int_equal(slab_format(fd, SLAB_SLOTS_MAX + 1), -EINVAL);
	(void)close(fd);
}

static void format_keeps_what_is_there(void **state)
{
	_cleanup_free_ struct seen *seen = seen_new();
	int fd = slab_file(SLOTS);
	struct slab *w = open_slab(fd, -1), *r;
	struct stat st;

	(void)state;
	slab_attach(w);
	assert_true(put(w, 42));
	(void)slab_free(w);
	assert_int_equal(slab_format(fd, SLOTS), 0);
	assert_int_equal(slab_format(fd, 2 * SLOTS), 0); /* not empty: keeps its size */
	r = open_slab(fd, -1);
	drain_all(r, seen);
	assert_int_equal(seen->n, 1);
	assert_int_equal(seen->id[0], 42);
	(void)slab_free(r);
	assert_int_equal(slab_format(fd, 2 * SLOTS), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size,
			 SLAB_SLOTS_AT(2 * SLOTS) + 2 * SLOTS * sizeof(struct slab_slot));
	/* A file cut short by a crash is made anew. */
	assert_int_equal(ftruncate(fd, 5000), 0);
	assert_int_equal(slab_format(fd, SLOTS), 0);
	r = open_slab(fd, -1);
	assert_int_equal(slab_waiting(r), 0);
	(void)slab_free(r);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_oldest_first),
		cmocka_unit_test(full_slab_refuses_until_released),
		cmocka_unit_test(released_slots_are_used_before_others),
		cmocka_unit_test(unreleased_records_come_again),
		cmocka_unit_test(only_a_sleeping_recorder_is_woken),
		cmocka_unit_test(killed_worker_loses_nothing),
		cmocka_unit_test(open_slots_of_a_dead_worker_are_closed),
		cmocka_unit_test(open_slots_of_a_living_worker_are_left),
		cmocka_unit_test(garbage_is_bounded),
		cmocka_unit_test(what_is_no_slab_is_refused),
		cmocka_unit_test(format_keeps_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
