/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing files in slices: right, once, bounded, and never of a file that changes meanwhile. */
#include "child.h"

#include <glob.h>

#include "base/digest.h"
#include "identity/hasher.h"

static char dir[64];

static int make(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/egret-hasher-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int clean(void **state)
{
	(void)state;
	return rmdir(dir);
}

struct file {
	char path[96];
	struct exe_key key;
	int fd;
};

static struct file file_make(const char *name, size_t n, char fill)
{
	char block[4096];
	struct file f;

	(void)snprintf(f.path, sizeof(f.path), "%s/%s", dir, name);
	f.fd = open(f.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(f.fd >= 0);
	memset(block, fill, sizeof(block));
	for (size_t done = 0; done < n;) {
		size_t part = n - done < sizeof(block) ? n - done : sizeof(block);

		assert_int_equal(write(f.fd, block, part), (ssize_t)part);
		done += part;
	}
	assert_int_equal(exe_key_of(f.fd, &f.key), 0);
	return f;
}

static void file_end(struct file *f)
{
	assert_int_equal(unlink(f->path), 0);
	(void)close(f->fd);
}

struct told {
	struct loop *loop;
	int calls, error, stop_at;
	uint8_t sha256[DIGEST_SIZE];
};

static void on_hash(void *ctx, int error, const uint8_t *sha256)
{
	struct told *t = ctx;

	t->error = error;
	if (sha256)
		memcpy(t->sha256, sha256, sizeof(t->sha256));
	if (++t->calls == t->stop_at)
		loop_stop(t->loop);
}

static int start_for(struct hasher *h, const struct file *f, uint32_t owner, struct told *t)
{
	int fd = dup(f->fd);

	assert_true(fd >= 0);
	return hasher_start(h, fd, &f->key, owner, on_hash, t);
}

static int start(struct hasher *h, const struct file *f, struct told *t)
{
	return start_for(h, f, 1, t);
}

static void hash_whole(const struct file *f, uint8_t ret[DIGEST_SIZE])
{
	struct digest *d;
	char block[4096];
	ssize_t n;

	assert_int_equal(digest_new(&d), 0);
	for (off_t at = 0; (n = pread(f->fd, block, sizeof(block), at)) > 0; at += n)
		assert_int_equal(digest_update(d, slice_of(block, (size_t)n)), 0);
	assert_int_equal(digest_final(d, ret), 0);
	(void)digest_free(d);
}

static void all_who_wait_are_told_of_one_reading(void **state)
{
	struct file f = file_make("a", 3000001, 'x');
	struct told t = { .loop = loop_new(), .stop_at = 50 };
	uint8_t wanted[DIGEST_SIZE];
	struct hasher *h;

	(void)state;
	assert_int_equal(hasher_new(t.loop, 1u << 30, &h), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(start(h, &f, &t), 0);
	assert_int_equal(t.calls, 0);
	loop_run(t.loop);
	assert_int_equal(t.error, 0);
	hash_whole(&f, wanted);
	assert_memory_equal(t.sha256, wanted, sizeof(wanted));
	assert_int_equal(hasher_reads(h), 1);
	(void)hasher_free(h);
	(void)loop_free(t.loop);
	file_end(&f);
}

static void several_files_take_turns(void **state)
{
	struct file f[4] = { file_make("a", 0, 'x'), file_make("b", 700000, 'x'),
			     file_make("c", 262144, 'y'), file_make("d", 1, 'y') };
	struct loop *loop = loop_new();
	uint8_t wanted[DIGEST_SIZE];
	struct told t[4];
	struct hasher *h;

	(void)state;
	assert_int_equal(hasher_new(loop, 1u << 30, &h), 0);
	for (int i = 0; i < 4; i++) {
		t[i] = (struct told){ .loop = loop, .stop_at = 1 };
		assert_int_equal(start(h, &f[i], &t[i]), 0);
	}
	while (t[0].calls + t[1].calls + t[2].calls + t[3].calls < 4)
		loop_run(loop);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(t[i].error, 0);
		hash_whole(&f[i], wanted);
		assert_memory_equal(t[i].sha256, wanted, sizeof(wanted));
		file_end(&f[i]);
	}
	(void)hasher_free(h);
	(void)loop_free(loop);
}

/* Runs in the first turn of the loop, when a slice was read. */
struct meddler {
	struct later later;
	const struct file *file;
	void (*meddle)(const struct file *f);
};

static void on_turn(struct later *w)
{
	struct meddler *m = container_of(w, struct meddler, later);

	m->meddle(m->file);
}

static void overwrite(const struct file *f)
{
	struct exe_key now = f->key;

	/* Older kernels change a file's time once a tick. */
	while (exe_key_eq(&now, &f->key)) {
		assert_int_equal(pwrite(f->fd, "!", 1, 0), 1);
		assert_int_equal(exe_key_of(f->fd, &now), 0);
	}
}

static void grow(const struct file *f)
{
	assert_int_equal(pwrite(f->fd, "!", 1, (off_t)f->key.size), 1);
}

static void shrink(const struct file *f)
{
	assert_int_equal(ftruncate(f->fd, (off_t)f->key.size / 2), 0);
}

static void a_file_that_changes_has_no_hash(void **state)
{
	static void (*const meddle[])(const struct file *) = { overwrite, grow, shrink };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(meddle); i++) {
		struct file f = file_make("a", 2000000, 'x'), next = file_make("b", 9, 'y');
		struct told t = { .loop = loop_new(), .stop_at = 2 };
		struct meddler m = { .file = &f, .meddle = meddle[i] };
		uint8_t wanted[DIGEST_SIZE];
		struct hasher *h;

		assert_int_equal(hasher_new(t.loop, 1u << 30, &h), 0);
		assert_int_equal(start(h, &f, &t), 0);
		later_arm(&m.later, t.loop, on_turn);
		t.stop_at = 1;
		loop_run(t.loop);
		assert_int_equal(t.error, -ESTALE);
		assert_null(hasher_find(h, &f.key));
		/* What was read of it does not get into the next one. */
		t = (struct told){ .loop = t.loop, .stop_at = 1 };
		assert_int_equal(start(h, &next, &t), 0);
		loop_run(t.loop);
		hash_whole(&next, wanted);
		assert_memory_equal(t.sha256, wanted, sizeof(wanted));
		(void)hasher_free(h);
		(void)loop_free(t.loop);
		file_end(&f);
		file_end(&next);
	}
}

static void a_file_just_written_is_not_remembered(void **state)
{
	struct file f = file_make("a", 10, 'x');
	struct told t = { .loop = loop_new(), .stop_at = 1 };
	struct hasher *h;

	(void)state;
	assert_int_equal(hasher_new(t.loop, 1u << 30, &h), 0);
	assert_int_equal(start(h, &f, &t), 0);
	loop_run(t.loop);
	assert_int_equal(t.error, 0);
	/* It may be written again within the same tick of its change time. */
	assert_null(hasher_find(h, &f.key));
	(void)hasher_free(h);
	(void)loop_free(t.loop);
	file_end(&f);
}

static bool hash_path(struct hasher *h, struct loop *loop, const char *path, struct exe_key *ret)
{
	struct told t = { .loop = loop, .stop_at = 1 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || exe_key_of(fd, ret) < 0)
		return false;
	assert_int_equal(hasher_start(h, fd, ret, 0, on_hash, &t), 0);
	loop_run(loop);
	assert_int_equal(t.error, 0);
	return true;
}

static void the_least_recently_used_is_forgotten(void **state)
{
	struct exe_key cat, sleep, key = { 0 };
	struct loop *loop = loop_new();
	struct hasher *h;
	glob_t files;
	size_t n = 0;

	(void)state;
	assert_int_equal(hasher_new(loop, 1u << 30, &h), 0);
	assert_true(hash_path(h, loop, "/bin/cat", &cat));
	assert_true(hash_path(h, loop, "/bin/sleep", &sleep));
	assert_non_null(hasher_find(h, &cat));
	assert_int_equal(glob("/usr/share/doc/*/c*", 0, NULL, &files), 0);
	assert_int_equal(glob("/usr/include/*.h", GLOB_APPEND, NULL, &files), 0);
	assert_int_equal(glob("/usr/include/linux/*.h", GLOB_APPEND, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc && n < 1200; i++) {
		n += hash_path(h, loop, files.gl_pathv[i], &key);
		assert_non_null(hasher_find(h, &cat)); /* used all the time */
	}
	assert_int_equal(n, 1200);
	assert_non_null(hasher_find(h, &key));
	assert_null(hasher_find(h, &sleep));
	globfree(&files);
	(void)hasher_free(h);
	(void)loop_free(loop);
}

static void large_files_do_not_hold_up_others(void **state)
{
	struct file large[9], small = file_make("s", 300000, 's');
	struct told late = { .loop = loop_new() }, soon = { .loop = late.loop, .stop_at = 1 };
	struct hasher *h;
	char name[8];

	(void)state;
	assert_int_equal(hasher_new(late.loop, 1u << 30, &h), 0);
	for (unsigned i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "l%u", i);
		large[i] = file_make(name, 4u << 20, (char)('0' + i));
		/* The first for the record, the others of one owner. */
		assert_int_equal(start_for(h, &large[i], i ? 1 : 0, &late), 0);
	}
	assert_int_equal(start_for(h, &small, 2, &soon), 0);
	loop_run(late.loop);
	assert_int_equal(soon.error, 0);
	assert_int_equal(late.calls, 0); /* it had two turns, they two of sixteen */
	late.stop_at = 8;
	loop_run(late.loop);
	assert_int_equal(hasher_reads(h), 9); /* the one for the record is still to come */
	late.stop_at = 9;
	loop_run(late.loop);
	assert_int_equal(late.error, 0);
	(void)hasher_free(h);
	(void)loop_free(late.loop);
	for (int i = 0; i < 9; i++)
		file_end(&large[i]);
	file_end(&small);
}

static void limits_hold(void **state)
{
	struct file f = file_make("a", 5001, 'x');
	struct told t = { .loop = loop_new(), .stop_at = 1 };
	struct hasher *h;
	int full = 0;

	(void)state;
	assert_int_equal(hasher_new(t.loop, 5000, &h), 0);
	assert_int_equal(start(h, &f, &t), -EFBIG);
	f.key.size = 5000;
	for (int i = 0; i < 5000 && !full; i++) {
		f.key.ino = (uint64_t)i;
		full = start(h, &f, &t);
	}
	assert_int_equal(full, -ENOBUFS);
	assert_int_equal(f.key.ino, 8); /* of one owner */
	full = 0;
	for (unsigned i = 8; i < 5000 && !full; i++) {
		f.key.ino = i;
		full = start_for(h, &f, i, &t);
	}
	assert_int_equal(full, -ENOBUFS);
	assert_int_equal(f.key.ino, 64); /* of all */
	f.key.ino = 0;
	full = 0;
	for (int i = 0; i < 5000 && !full; i++)
		full = start(h, &f, &t);
	assert_int_equal(full, -ENOBUFS);
	t.calls = 0;
	t.stop_at = 0;
	(void)hasher_free(h);
	assert_int_equal(t.calls, 4096);
	assert_int_equal(t.error, -ECANCELED);
	(void)loop_free(t.loop);
	file_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_who_wait_are_told_of_one_reading),
		cmocka_unit_test(several_files_take_turns),
		cmocka_unit_test(a_file_that_changes_has_no_hash),
		cmocka_unit_test(a_file_just_written_is_not_remembered),
		cmocka_unit_test(the_least_recently_used_is_forgotten),
		cmocka_unit_test(large_files_do_not_hold_up_others),
		cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
