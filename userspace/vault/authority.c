/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/authority.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>

#define CERTS_MAX      KEYFILE_KEYS_MAX
#define CERT_FILE_MAX  (512u * 1024)
#define DAY_US	       (86400ull * 1000000)
#define LEAF_LIFE_US   (25 * 3600ull * 1000000) /* the longest leaf, and an hour for clocks */
#define RENEW_DAYS_MAX 30u

/* Authorities newest first. */
struct set {
	struct ca *v[CERTS_MAX];
	size_t n;
};

struct authority {
	struct authority_opts opts;
	struct set set;
	int kept; /* -errno of the write that was due */
};

static void set_done(struct set *s)
{
	while (s->n)
		(void)ca_free(s->v[--s->n]);
}

int authority_new(const struct authority_opts *o, struct authority **ret)
{
	struct authority *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->opts = *o;
	*ret = a;
	return 0;
}

struct authority *authority_free(struct authority *a)
{
	if (a)
		set_done(&a->set);
	free(a);
	return NULL;
}

/* ---- reading ---- */

static int read_all(int fd, struct buf *to)
{
	for (;;) {
		char *p = buf_reserve(to, 4096);
		ssize_t n;

		if (!p)
			return -EBADMSG;
		n = pread(fd, p, 4096, (off_t)buf_len(to));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_commit(to, (size_t)n);
	}
}

static int parse_certs(struct slice text, struct set *ret)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	int r = bio ? 0 : -ENOMEM;

	while (r == 0) {
		X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!cert)
			break;
		if (ret->n == CERTS_MAX) {
			X509_free(cert);
			r = -EBADMSG;
		} else {
			r = ca_from_cert(cert, &ret->v[ret->n]);
			ret->n += r == 0;
		}
	}
	/* The only way out without an error of our own is the end of the text. Text without any
	 * certificate is somebody's, not an empty file. */
	if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = -EBADMSG;
	if (r == 0 && ret->n == 0 && text.n)
		r = -EBADMSG;
	ERR_clear_error();
	BIO_free(bio);
	return r;
}

static int read_certs(int fd, struct set *ret)
{
	struct buf text;
	int r;

	buf_init(&text, CERT_FILE_MAX);
	r = read_all(fd, &text);
	if (r == 0)
		r = parse_certs(buf_slice(&text), ret);
	buf_release(&text);
	return r;
}

/* Gives each certificate its key. A key without certificate was being made when egret died. */
static void pair(struct set *s, EVP_PKEY **keys, size_t n)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < n; k++) {
			if (keys[k] && X509_check_private_key(s->v[i]->cert, keys[k]) == 1) {
				s->v[i]->key = keys[k];
				keys[k] = NULL;
				break;
			}
		}
	}
	for (size_t k = 0; k < n; k++)
		EVP_PKEY_free(keys[k]);
	ERR_clear_error();
}

static int read_files(int key_fd, int cert_fd, struct set *ret, struct diag *d)
{
	EVP_PKEY *keys[KEYFILE_KEYS_MAX];
	size_t n_keys = 0;
	int r = read_certs(cert_fd, ret);

	if (r < 0) {
		(void)diag_at(d, 0, 0, "CA certificate file: %s; remove it to make a new CA",
			      r == -EBADMSG ? "holds something else than egret's certificates"
					    : strerror(-r));
		return r;
	}
	r = keyfile_read(key_fd, keys, &n_keys);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "CA key file: %s; remove it to make a new CA",
			      r == -EBADMSG || r == -E2BIG
				      ? "holds something else than P-256 keys as egret writes them"
				      : strerror(-r));
		return r;
	}
	pair(ret, keys, n_keys);
	return 0;
}

/* ---- writing ---- */

static int pem_of(const struct set *s, struct buf *to)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = ca_pem(s->v[i]->cert, to);
	return r;
}

/* Takes the blocks before anything is overwritten: a write that a full disk cuts short would leave
 * half of a certificate behind the others. Empty lines are read as nothing. */
static int make_room(int fd, off_t size, size_t wanted)
{
	char lines[512];

	memset(lines, '\n', sizeof(lines));
	for (off_t at = size; at < (off_t)wanted;) {
		size_t left = wanted - (size_t)at;
		ssize_t n = pwrite(fd, lines, left < sizeof(lines) ? left : sizeof(lines), at);

		if (n <= 0) {
			int r = n < 0 ? -errno : -ENOSPC;

			(void)!ftruncate(fd, size);
			return r;
		}
		at += n;
	}
	return 0;
}

static int write_certs(int fd, const struct set *s)
{
	struct buf text;
	struct stat st;
	struct slice t;
	ssize_t n;
	int r;

	buf_init(&text, CERT_FILE_MAX);
	r = pem_of(s, &text);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	t = buf_slice(&text);
	if (r == 0)
		r = make_room(fd, st.st_size, t.n);
	/* As keyfile_write(): old text behind the new must not be read if the cut never happens. */
	for (off_t at = (off_t)t.n; r == 0 && at < st.st_size; at++)
		r = buf_append(&text, "\n", 1);
	if (r == 0) {
		struct slice padded = buf_slice(&text);

		n = pwrite(fd, padded.p, padded.n, 0);
		if (n != (ssize_t)padded.n)
			r = n < 0 ? -errno : -ENOSPC;
	}
	if (r == 0 && (ftruncate(fd, (off_t)t.n) < 0 || fsync(fd) < 0))
		r = -errno;
	buf_release(&text);
	return r;
}

/* Keys first: a key whose certificate is missing is dropped, the other way round it would be lost.
 */
static int write_files(int key_fd, int cert_fd, const struct set *s)
{
	EVP_PKEY *keys[KEYFILE_KEYS_MAX];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i]->key)
			keys[n++] = s->v[i]->key;
	r = keyfile_write(key_fd, keys, n);
	return r < 0 ? r : write_certs(cert_fd, s);
}

/* ---- time ---- */

/* When the i-th stops signing: the overlap after the next newer was made. */
static uint64_t signs_until(const struct authority *a, const struct set *s, size_t i)
{
	if (i == 0)
		return s->v[0]->not_after_us;
	return s->v[i - 1]->not_before_us + CA_BACKDATE_US + a->opts.overlap_days * DAY_US;
}

static bool is_usable(const struct ca *ca, uint64_t now_us)
{
	return ca->key && now_us >= ca->not_before_us && now_us < ca->not_after_us;
}

/* Destroys keys whose overlap is over, drops certificates that vouch for no living leaf. */
static bool drop_old(const struct authority *a, struct set *s, uint64_t now_us)
{
	bool changed = false;

	for (size_t i = s->n; i-- > 1;) {
		uint64_t until = signs_until(a, s, i);

		if (s->v[i]->key && now_us >= until) {
			EVP_PKEY_free(s->v[i]->key);
			s->v[i]->key = NULL;
			changed = true;
		}
		if (i == s->n - 1 && !s->v[i]->key &&
		    (now_us >= until + LEAF_LIFE_US || now_us >= s->v[i]->not_after_us)) {
			s->v[i] = ca_free(s->v[i]);
			s->n--;
			changed = true;
		}
	}
	return changed;
}

static bool needs_new(const struct authority *a, const struct set *s, const struct names *names,
		      uint64_t now_us)
{
	uint64_t renew_us = a->opts.ca_days * DAY_US / 10;

	if (renew_us > RENEW_DAYS_MAX * DAY_US)
		renew_us = RENEW_DAYS_MAX * DAY_US;
	return s->n == 0 || !is_usable(s->v[0], now_us) ||
	       now_us + renew_us >= s->v[0]->not_after_us || !names_eq(s->v[0]->names, names);
}

static int add_new(const struct authority *a, struct set *s, const struct names *names,
		   uint64_t now_us)
{
	EVP_PKEY *key = NULL;
	struct ca *ca = NULL;
	int r = keyfile_make(&key);

	if (r == 0)
		r = ca_make(key, names, a->opts.label, now_us, a->opts.ca_days, &ca);
	if (r < 0)
		return r;
	if (s->n == CERTS_MAX)
		s->v[s->n - 1] = ca_free(s->v[s->n - 1]);
	else
		s->n++;
	for (size_t i = s->n - 1; i > 0; i--)
		s->v[i] = s->v[i - 1];
	s->v[0] = ca;
	return 0;
}

/* ---- what the vault asks ---- */

static int load(struct authority *a, int key_fd, int cert_fd, const struct names *names,
		bool rotate, uint64_t now_us, struct set *s, struct diag *d)
{
	bool made, changed;
	int r = read_files(key_fd, cert_fd, s, d);

	if (r < 0)
		return r;
	made = rotate || needs_new(a, s, names, now_us);
	if (made)
		r = add_new(a, s, names, now_us);
	changed = r == 0 && drop_old(a, s, now_us);
	if (r == 0 && (made || changed))
		r = write_files(key_fd, cert_fd, s);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "CA: cannot be made or written to its files: %s",
			      strerror(-r));
		return r;
	}
	return made;
}

/* At a start, when the files cannot be written: what they hold serves as long as it may sign. */
static bool can_keep(const struct authority *a, int key_fd, int cert_fd, uint64_t now_us,
		     struct set *s)
{
	struct diag ignored = { 0 };

	set_done(s);
	return a->set.n == 0 && read_files(key_fd, cert_fd, s, &ignored) == 0 && s->n &&
	       is_usable(s->v[0], now_us);
}

int authority_load(struct authority *a, int key_fd, int cert_fd, struct slice names, bool rotate,
		   uint64_t now_us, struct diag *d)
{
	struct names *parsed = NULL;
	struct set s = { .n = 0 };
	int r = names_parse(names, d, &parsed);

	if (r < 0)
		return r;
	r = load(a, key_fd, cert_fd, parsed, rotate, now_us, &s, d);
	a->kept = 0;
	if (r < 0 && r != -EBADMSG && !rotate && can_keep(a, key_fd, cert_fd, now_us, &s)) {
		a->kept = r;
		r = 0;
	}
	if (r >= 0) {
		struct set old = a->set;

		a->set = s;
		s = old;
	}
	set_done(&s);
	(void)names_free(parsed);
	return r;
}

int authority_kept(const struct authority *a)
{
	return a->kept;
}

const struct ca *authority_newest(const struct authority *a)
{
	return a->set.n ? a->set.v[0] : NULL;
}

const struct ca *authority_signer(const struct authority *a, struct slice host, uint64_t now_us)
{
	/* The newest names are the governed ones. */
	if (a->set.n == 0 || !names_covers(a->set.v[0]->names, host))
		return NULL;
	for (size_t i = a->set.n; i-- > 0;) {
		const struct ca *ca = a->set.v[i];

		if (is_usable(ca, now_us) && now_us < signs_until(a, &a->set, i) &&
		    names_covers(ca->names, host))
			return ca;
	}
	return NULL;
}

int authority_pem(const struct authority *a, struct buf *to)
{
	size_t before = buf_len(to);

	for (size_t i = 0; i < a->set.n; i++) {
		int r = ca_pem(a->set.v[i]->cert, to);

		if (r == -EMSGSIZE && buf_len(to) > before)
			return 0;
		if (r < 0)
			return r;
	}
	return 0;
}

size_t authority_count(const struct authority *a)
{
	return a->set.n;
}
