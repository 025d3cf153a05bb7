/* SPDX-License-Identifier: Apache-2.0 */
/* CAs over time: files, change of names, rotation, overlap, crashes while writing. */
#include "pki.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "vault/authority.h"
#include "vault/mint.h"

#define OLD_NAMES SLICE("api.openai.com\0api.anthropic.com\0")
#define NEW_NAMES SLICE("api.openai.com\0api.anthropic.com\0api.mistral.ai\0")

struct files {
	struct authority *a;
	int key_fd, cert_fd;
};

static int set_up(void **state)
{
	struct authority_opts o = { .ca_days = 100, .overlap_days = 7, .label = "host" };
	struct files *f = calloc(1, sizeof(*f));

	assert_int_equal(keyfile_init(), 0);
	assert_int_equal(authority_new(&o, &f->a), 0);
	f->key_fd = temp_file();
	f->cert_fd = temp_file();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct files *f = *state;

	(void)authority_free(f->a);
	(void)close(f->key_fd);
	(void)close(f->cert_fd);
	free(f);
	return 0;
}

static int load(struct files *f, struct slice names, bool rotate, uint64_t now_us)
{
	struct diag d = { 0 };
	int r = authority_load(f->a, f->key_fd, f->cert_fd, names, rotate, now_us, &d);

	assert_true(r >= 0 || d.text[0]);
	return r;
}

static void restart(struct files *f)
{
	struct authority_opts o = { .ca_days = 100, .overlap_days = 7, .label = "host" };

	(void)authority_free(f->a);
	assert_int_equal(authority_new(&o, &f->a), 0);
}

static void content(int fd, struct buf *to)
{
	char *p = buf_reserve(to, 65536);

	buf_commit(to, (size_t)pread(fd, p, 65536, 0));
}

/* What a client finds that trusts `roots` and is served what the authority signs now. */
static int served(const struct files *f, X509 *const *roots, size_t n, const char *host,
		  uint64_t now_us)
{
	const struct ca *ca = authority_signer(f->a, slice_str(host), now_us);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned char der[256];
	struct buf pem;
	X509 *leaf;
	int r;

	assert_non_null(ca);
	buf_init(&pem, 8192);
	assert_int_equal(
		mint_leaf(ca, slice_str(host), spki_of(key, der, sizeof(der)), 24, now_us, &pem),
		0);
	leaf = read_pem(buf_slice(&pem));
	r = verify(roots, n, leaf, host, now_us);
	X509_free(leaf);
	buf_release(&pem);
	EVP_PKEY_free(key);
	return r;
}

static X509 *newest_cert(const struct files *f)
{
	X509 *cert = authority_newest(f->a)->cert;

	assert_int_equal(X509_up_ref(cert), 1);
	return cert;
}

static void first_start_makes_one_and_later_ones_keep_it(void **state)
{
	struct files *f = *state;
	struct buf before, after;
	X509 *cert;

	buf_init(&before, 65536);
	buf_init(&after, 65536);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	content(f->cert_fd, &before);
	cert = newest_cert(f);
	restart(f);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US + DAY_US), 0);
	/* Order, case and repetition of names are no change. */
	assert_int_equal(load(f, SLICE("API.anthropic.com\0api.openai.com\0api.openai.com"), false,
			      NOW_US + DAY_US),
			 0);
	content(f->cert_fd, &after);
	assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
	assert_int_equal(served(f, &cert, 1, "api.openai.com", NOW_US + DAY_US), X509_V_OK);
	X509_free(cert);
	buf_release(&before);
	buf_release(&after);
}

static void key_file_is_what_openssl_reads(void **state)
{
	struct files *f = *state;
	FILE *in;
	EVP_PKEY *key;

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	in = fdopen(dup(f->key_fd), "r");
	rewind(in);
	key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	assert_non_null(key);
	assert_int_equal(X509_check_private_key(authority_newest(f->a)->cert, key), 1);
	EVP_PKEY_free(key);
	(void)fclose(in);
}

static void changed_names_overlap(void **state)
{
	struct files *f = *state;
	uint64_t change = NOW_US + 10 * DAY_US;
	X509 *old, *both[2];

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	old = newest_cert(f);
	assert_null(authority_signer(f->a, SLICE("api.mistral.ai"), NOW_US));
	restart(f);
	assert_int_equal(load(f, NEW_NAMES, false, change), 1);
	both[0] = newest_cert(f);
	both[1] = old;
	assert_int_equal(authority_count(f->a), 2);
	/* Programs that know only the old certificate go on ... */
	assert_int_equal(served(f, &old, 1, "api.openai.com", change), X509_V_OK);
	assert_int_equal(served(f, &old, 1, "api.openai.com", change + 7 * DAY_US - 1), X509_V_OK);
	/* ... new names work for those that know both ... */
	assert_int_equal(served(f, both, 2, "api.mistral.ai", change), X509_V_OK);
	assert_int_equal(served(f, both, 2, "api.openai.com", change), X509_V_OK);
	/* ... and after it the newest signs everything. */
	assert_int_equal(served(f, both, 1, "api.openai.com", change + 7 * DAY_US), X509_V_OK);
	assert_true(served(f, &old, 1, "api.openai.com", change + 7 * DAY_US) != X509_V_OK);
	X509_free(both[0]);
	X509_free(old);
}

static void removed_name_is_refused_at_once(void **state)
{
	struct files *f = *state;

	assert_int_equal(load(f, NEW_NAMES, false, NOW_US), 1);
	assert_non_null(authority_signer(f->a, SLICE("api.mistral.ai"), NOW_US));
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US + DAY_US), 1);
	assert_null(authority_signer(f->a, SLICE("api.mistral.ai"), NOW_US + DAY_US));
	assert_non_null(authority_signer(f->a, SLICE("api.openai.com"), NOW_US + DAY_US));
}

static size_t keys_in_file(int fd)
{
	EVP_PKEY *keys[KEYFILE_KEYS_MAX];
	size_t n = 0;

	assert_int_equal(keyfile_read(fd, keys, &n), 0);
	for (size_t i = 0; i < n; i++)
		EVP_PKEY_free(keys[i]);
	return n;
}

static void old_key_dies_and_old_certificate_leaves(void **state)
{
	struct files *f = *state;
	uint64_t t = NOW_US + DAY_US;

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	assert_int_equal(load(f, OLD_NAMES, true, t), 1);
	assert_int_equal(keys_in_file(f->key_fd), 2);
	assert_int_equal(load(f, OLD_NAMES, false, t + 7 * DAY_US - 1), 0);
	assert_int_equal(keys_in_file(f->key_fd), 2);
	assert_int_equal(load(f, OLD_NAMES, false, t + 7 * DAY_US), 0);
	assert_int_equal(keys_in_file(f->key_fd), 1);
	assert_int_equal(authority_count(f->a), 2); /* its last leaves still live */
	assert_int_equal(load(f, OLD_NAMES, false, t + 9 * DAY_US), 0);
	assert_int_equal(authority_count(f->a), 1);
	restart(f);
	assert_int_equal(load(f, OLD_NAMES, false, t + 9 * DAY_US), 0);
	assert_int_equal(authority_count(f->a), 1);
}

static void many_rotations_are_bounded(void **state)
{
	struct files *f = *state;
	struct buf pem;

	for (unsigned i = 0; i < 3 * KEYFILE_KEYS_MAX; i++) {
		assert_int_equal(load(f, OLD_NAMES, true, NOW_US + i * 1000000), 1);
		restart(f);
		assert_int_equal(load(f, OLD_NAMES, false, NOW_US + i * 1000000), 0);
	}
	assert_int_equal(authority_count(f->a), KEYFILE_KEYS_MAX);
	assert_int_equal(keys_in_file(f->key_fd), KEYFILE_KEYS_MAX);
	/* What does not fit a message is left out, oldest first. */
	buf_init(&pem, 3000);
	assert_int_equal(authority_pem(f->a, &pem), 0);
	assert_true(buf_len(&pem) > 1000);
	buf_release(&pem);
}

static void it_is_renewed_before_it_ends(void **state)
{
	struct files *f = *state;

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US + 89 * DAY_US), 0);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US + 91 * DAY_US), 1);
	assert_int_equal(authority_count(f->a), 2);
}

static void clock_set_back_makes_one_that_is_valid(void **state)
{
	struct files *f = *state;
	X509 *cert;

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US - 365 * DAY_US), 1);
	cert = newest_cert(f);
	assert_int_equal(served(f, &cert, 1, "api.openai.com", NOW_US - 365 * DAY_US), X509_V_OK);
	X509_free(cert);
}

static void foreign_files_are_left_alone(void **state)
{
	static const char text[] = "# my notes\n";
	struct files *f = *state;
	struct buf have;

	assert_int_equal(pwrite(f->key_fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), -EBADMSG);
	assert_null(authority_newest(f->a));
	buf_init(&have, 65536);
	content(f->key_fd, &have);
	assert_true(slice_eq(buf_slice(&have), SLICE("# my notes\n")));
	buf_release(&have);
}

static void broken_files_keep_what_is_in_force(void **state)
{
	struct files *f = *state;
	struct buf certs, keys;

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	buf_init(&certs, 65536);
	buf_init(&keys, 65536);
	content(f->cert_fd, &certs);
	content(f->key_fd, &keys);
	/* Cut at every length: never a crash, never another CA over a broken file. */
	for (size_t n = 1; n + 1 < buf_len(&keys); n += 7) {
		assert_int_equal(ftruncate(f->key_fd, (off_t)n), 0);
		assert_int_equal(load(f, OLD_NAMES, false, NOW_US), -EBADMSG);
		assert_int_equal(pwrite(f->key_fd, buf_slice(&keys).p, buf_len(&keys), 0),
				 buf_len(&keys));
	}
	for (size_t n = 1; n + 1 < buf_len(&certs); n += 7) {
		assert_int_equal(ftruncate(f->cert_fd, (off_t)n), 0);
		assert_int_equal(load(f, OLD_NAMES, false, NOW_US), -EBADMSG);
		assert_int_equal(pwrite(f->cert_fd, buf_slice(&certs).p, buf_len(&certs), 0),
				 buf_len(&certs));
	}
	restart(f);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 0);
	buf_release(&certs);
	buf_release(&keys);
}

static void key_without_certificate_is_replaced(void **state)
{
	struct files *f = *state;

	/* Killed between the two writes of the first start. */
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	assert_int_equal(ftruncate(f->cert_fd, 0), 0);
	restart(f);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	assert_int_equal(keys_in_file(f->key_fd), 1);
	/* And a certificate without its key, which only a person can bring about. */
	assert_int_equal(ftruncate(f->key_fd, 0), 0);
	restart(f);
	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	assert_non_null(authority_signer(f->a, SLICE("api.openai.com"), NOW_US));
}

static void unwritable_files_change_nothing(void **state)
{
	struct files *f = *state;
	char path[64];
	int ro, r;
	X509 *cert;
	struct diag d = { 0 };

	assert_int_equal(load(f, OLD_NAMES, false, NOW_US), 1);
	cert = newest_cert(f);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->key_fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	r = authority_load(f->a, ro, f->cert_fd, NEW_NAMES, false, NOW_US, &d);
	assert_int_equal(r, -EBADF);
	assert_true(d.text[0]);
	assert_ptr_equal(authority_newest(f->a)->cert, cert);
	(void)close(ro);
	X509_free(cert);
}

static void a_start_without_room_keeps_what_there_is(void **state)
{
	struct files *f = *state;
	char dir[] = "/tmp/egret-authority-XXXXXX", path[64];
	char zeros[4096] = { 0 };
	off_t size;
	int ballast, n = 0;
	X509 *cert;
	struct diag d = { 0 };

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		skip(); /* needs a mount of its own */
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, "size=64k"), 0);
	(void)close(f->cert_fd);
	(void)snprintf(path, sizeof(path), "%s/ca.pem", dir);
	f->cert_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	(void)snprintf(path, sizeof(path), "%s/ballast", dir);
	/* As many as fit in a page, so that the next needs another. */
	do {
		assert_int_equal(load(f, OLD_NAMES, n > 0, NOW_US + (uint64_t)n), 1);
		n++;
		size = lseek(f->cert_fd, 0, SEEK_END);
	} while (size + size / n <= 4096);
	assert_true(size <= 4096 && n < 8);
	cert = newest_cert(f);
	ballast = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (write(ballast, zeros, sizeof(zeros)) > 0)
		;
	/* In force already: an error, and nothing changes, whoever asks. */
	for (unsigned i = 0; i < 8; i++) {
		int r = authority_load(f->a, f->key_fd, f->cert_fd, NEW_NAMES, false, NOW_US + 9,
				       &d);

		assert_int_equal(r, -ENOSPC);
		assert_ptr_equal(authority_newest(f->a)->cert, cert);
	}
	/* A start: what the files hold, whole. */
	restart(f);
	assert_int_equal(load(f, NEW_NAMES, false, NOW_US + 9), 0);
	assert_int_equal(authority_kept(f->a), -ENOSPC);
	assert_int_equal(X509_cmp(authority_newest(f->a)->cert, cert), 0);
	assert_int_equal(authority_count(f->a), n);
	assert_non_null(authority_signer(f->a, SLICE("api.openai.com"), NOW_US + 9));
	assert_null(authority_signer(f->a, SLICE("api.mistral.ai"), NOW_US + 9));
	/* Not when it was to be another. */
	restart(f);
	assert_int_equal(load(f, NEW_NAMES, true, NOW_US + 9), -ENOSPC);
	assert_null(authority_newest(f->a));
	assert_int_equal(unlink(path), 0);
	(void)close(ballast);
	assert_int_equal(load(f, NEW_NAMES, false, NOW_US + 9), 1);
	assert_int_equal(authority_kept(f->a), 0);
	assert_non_null(authority_signer(f->a, SLICE("api.mistral.ai"), NOW_US + 9));
	X509_free(cert);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void names_that_constrain_nothing_are_refused(void **state)
{
	static const struct slice bad[] = {
		{ "", 0 },	  { "\0\0", 2 },
		{ "*", 1 },	  { "*.com", 5 },
		{ "api.*", 5 },	  { "10.0.0.1", 8 },
		{ "a b.com", 7 }, { "api.openai.com\0http://x", 23 },
	};
	struct files *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(load(f, bad[i], false, NOW_US), -EINVAL);
	assert_null(authority_newest(f->a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(first_start_makes_one_and_later_ones_keep_it),
		T(key_file_is_what_openssl_reads),
		T(changed_names_overlap),
		T(removed_name_is_refused_at_once),
		T(old_key_dies_and_old_certificate_leaves),
		T(many_rotations_are_bounded),
		T(it_is_renewed_before_it_ends),
		T(clock_set_back_makes_one_that_is_valid),
		T(foreign_files_are_left_alone),
		T(broken_files_keep_what_is_in_force),
		T(key_without_certificate_is_replaced),
		T(unwritable_files_change_nothing),
		T(a_start_without_room_keeps_what_there_is),
		T(names_that_constrain_nothing_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
