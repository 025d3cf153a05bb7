/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/anchor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "daemon/edition.h"
#include "daemon/trust.h"
#include "daemon/trusted.h"
#include "daemon/warnings.h"
#include "event/channel.h"

#define NAMES_BYTES_MAX 60000u /* of all governed names in one message */
#define LOAD_US		30000000u
#define PATH_BYTES	4096u

struct anchor {
	struct warnings *warnings;
	char key[PATH_BYTES], cert[PATH_BYTES]; /* the vault's files */
	char published[PATH_BYTES], bundle[PATH_BYTES];
	bool loaded, busy;
	int error; /* errno of the last load, if it could write nothing */
	struct eg_ca_info info;
	unsigned certificates;
	struct buf names, asked; /* the loaded CA is made for; of the load under way */
	anchor_fn fn;
	void *ctx;
};

static int path(char *to, const char *dir, const char *name)
{
	return (size_t)snprintf(to, PATH_BYTES, "%s/%s", dir, name) < PATH_BYTES ? 0
										 : -ENAMETOOLONG;
}

int anchor_new(const struct anchor_opts *o, struct diag *d, struct anchor **ret)
{
	struct anchor *a = calloc(1, sizeof(*a));
	char dir[PATH_BYTES];
	int r;

	if (!a)
		return -ENOMEM;
	a->warnings = o->warnings;
	buf_init(&a->names, NAMES_BYTES_MAX);
	buf_init(&a->asked, NAMES_BYTES_MAX);
	r = path(dir, o->state_dir, "ca");
	if (r == 0)
		r = path(a->key, o->state_dir, "ca/ca.key");
	if (r == 0)
		r = path(a->cert, o->state_dir, "ca/ca.pem");
	if (r == 0)
		r = path(a->published, o->run_dir, "ca.pem");
	if (r == 0)
		r = path(a->bundle, o->run_dir, "ca-bundle.pem");
	if (r == 0)
		r = trusted_directory(dir, 0700, d);
	if (r < 0) {
		(void)anchor_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

struct anchor *anchor_free(struct anchor *a)
{
	if (!a)
		return NULL;
	buf_release(&a->names);
	buf_release(&a->asked);
	free(a);
	return NULL;
}

/* Every governed host as the catalogue writes it, patterns too, each with its NUL. */
static int collect_names(const struct edition *e, struct buf *ret)
{
	int r = 0;

	buf_clear(ret);
	for (unsigned i = 0; i < catalogue_providers(e->catalogue); i++) {
		const struct catalogue_provider *p = catalogue_provider(e->catalogue, i);

		for (size_t k = 0; r == 0 && k < p->n_hosts; k++) {
			r = buf_append_slice(ret, p->hosts[k]);
			if (r == 0)
				r = buf_append(ret, "", 1);
		}
	}
	return r;
}

bool anchor_covers(const struct anchor *a, const struct edition *e)
{
	_cleanup_(buf_release) struct buf names = { 0 };

	buf_init(&names, NAMES_BYTES_MAX);
	return a->loaded && collect_names(e, &names) == 0 &&
	       slice_eq(buf_slice(&names), buf_slice(&a->names));
}

static unsigned count_certificates(struct slice pem)
{
	static const struct slice begin = { "-----BEGIN CERTIFICATE-----", 27 };
	unsigned n = 0;

	for (size_t i = 0; i + begin.n <= pem.n; i++)
		n += slice_eq(slice_of(pem.p + i, begin.n), begin);
	return n;
}

/* What clients are to trust: ours alone, and ours after the system's store. */
static int publish(struct anchor *a, struct slice pem, struct diag *d)
{
	_cleanup_(buf_release) struct buf all = { 0 };
	int r;

	r = trusted_write(a->published, 0644, pem, d);
	if (r == 0)
		r = trust_system(&all, d);
	if (r == -ENOENT)
		warnings_set(a->warnings, "system trust store",
			     "no system trust store was found: %s holds egret's CA alone: install "
			     "ca-certificates",
			     a->bundle);
	else
		warnings_clear(a->warnings, "system trust store");
	if (r == 0 || r == -ENOENT)
		r = buf_append_slice(&all, pem);
	if (r == 0)
		r = trusted_write(a->bundle, 0644, buf_slice(&all), d);
	return r;
}

static void finish(struct anchor *a, bool ok)
{
	a->busy = false;
	a->fn(a->ctx, ok);
}

#define ROOM "free space on the file system of the state directory"

static bool is_room(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

static void refused(struct anchor *a, int error)
{
	if (is_room(error))
		warnings_set(a->warnings, "ca", "the CA cannot be written to %s and %s: %s: " ROOM,
			     a->key, a->cert, strerror(error));
	else
		warnings_set(
			a->warnings, "ca",
			"the vault could not load the CA from %s and %s: %s: restore the files, or "
			"move both away to have a new CA made",
			a->key, a->cert, strerror(error));
}

/* A new one is due, and what the files hold serves. */
static void kept(struct anchor *a, int error)
{
	warnings_set(a->warnings, "ca",
		     "the CA is not renewed, since %s cannot be written (%s): the old one serves, "
		     "and governed names that it lacks are refused: %s",
		     a->cert, strerror(error),
		     is_room(error) ? ROOM : "look at the state directory and its disk");
}

static void on_loaded(void *ctx, struct msg *m)
{
	struct anchor *a = ctx;
	struct diag d = { 0 };
	char text[800];
	struct eg_ca_info info;
	struct slice pem;

	if (!m || m->type != EG_MSG_ca_load || m->body.n < sizeof(info)) {
		warnings_set(a->warnings, "ca", "the vault did not load the CA: no answer");
		finish(a, false);
		return;
	}
	memcpy(&info, m->body.p, sizeof(info));
	pem = slice_of(m->body.p + sizeof(info), m->body.n - sizeof(info));
	a->error = (int)(info.status ? info.status : info.kept);
	if (info.status || info.pem_n != pem.n) {
		refused(a, info.status ? a->error : EPROTO);
		finish(a, false);
		return;
	}
	if (publish(a, pem, &d) < 0) {
		diag_format(&d, text, sizeof(text));
		warnings_set(a->warnings, "ca", "the CA cannot be published: %s", text);
		finish(a, false);
		return;
	}
	warnings_clear(a->warnings, "ca");
	if (info.made)
		log_info("ca: a new certificate was made: %s", a->cert);
	a->info = info;
	a->certificates = count_certificates(pem);
	a->loaded = true;
	buf_clear(&a->names);
	if (info.kept)
		kept(a, a->error);
	else if (buf_append_slice(&a->names, buf_slice(&a->asked)) < 0)
		a->loaded = false;
	finish(a, a->loaded);
}

static int open_file(const char *file, struct diag *d)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0) {
		int r = -errno;

		(void)diag_at(d, 0, 0, "cannot open %s: %s", file, strerror(-r));
		return r;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077)) {
		(void)close(fd);
		(void)diag_at(d, 0, 0,
			      "%s: others than root can reach it: the CA in it is not safe: "
			      "move it away, then start again",
			      file);
		return -EACCES;
	}
	return fd;
}

int anchor_load(struct anchor *a, struct channel *vault, const struct edition *e, bool rotate,
		struct diag *d, anchor_fn fn, void *ctx)
{
	_cleanup_close_ int key = -EBADF, cert = -EBADF;
	struct eg_ca_load body = { .rotate = rotate };
	int fds[2], r;

	if (a->busy)
		return -EBUSY;
	key = open_file(a->key, d);
	if (key < 0)
		return key;
	cert = open_file(a->cert, d);
	if (cert < 0)
		return cert;
	r = collect_names(e, &a->asked);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot name every governed host to the CA: %s",
			      strerror(-r));
		return r;
	}
	body.names_n = (uint32_t)buf_len(&a->asked);
	fds[0] = key;
	fds[1] = cert;
	a->fn = fn;
	a->ctx = ctx;
	r = channel_call(vault, EG_MSG_ca_load, &body, sizeof(body), buf_slice(&a->asked).p,
			 buf_len(&a->asked), fds, 2, LOAD_US, on_loaded, a);
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot ask the vault for the CA: %s", strerror(-r));
	a->busy = r == 0;
	return r;
}

bool anchor_lacks_room(const struct anchor *a)
{
	return is_room(a->error);
}

const struct eg_ca_info *anchor_info(const struct anchor *a)
{
	return a->loaded ? &a->info : NULL;
}

unsigned anchor_certificates(const struct anchor *a)
{
	return a->certificates;
}

const char *anchor_cert(const struct anchor *a)
{
	return a->published;
}

const char *anchor_bundle(const struct anchor *a)
{
	return a->bundle;
}
