/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/trust.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/trusted.h"

/* Debian and Alpine; Fedora and RHEL; openSUSE. */
static const char *const places[] = { "/etc/ssl/certs/ca-certificates.crt",
				      "/etc/pki/tls/certs/ca-bundle.crt",
				      "/etc/ssl/ca-bundle.pem" };

int trust_system(struct buf *ret, struct diag *d)
{
	int r = -ENOENT;

	buf_init(ret, TRUST_MAX);
	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(places); i++) {
		_cleanup_close_ int fd = -EBADF;

		r = trusted_open(places[i], TRUST_MAX - 1, true, d, &fd);
		if (r == 0)
			r = trusted_read(places[i], fd, TRUST_MAX - 1, d, ret);
	}
	ret->max = TRUST_MAX + 65536; /* room for egret's own behind it */
	return r;
}

static int append_file(const char *path, struct buf *all, struct diag *d)
{
	_cleanup_(buf_release) struct buf one = { 0 };
	_cleanup_close_ int fd = -EBADF;
	int r;

	r = trusted_open(path, TRUST_MAX, false, d, &fd);
	if (r == 0)
		r = trusted_read(path, fd, TRUST_MAX, d, &one);
	if (r == 0)
		r = buf_append_slice(all, buf_slice(&one));
	/* A file that does not end its last line would swallow the next file's first. */
	return r == 0 ? buf_append(all, "\n", 1) : r;
}

int trust_upstream(const struct config *c, struct diag *d, int *ret_fd)
{
	_cleanup_(buf_release) struct buf all = { 0 };
	_cleanup_close_ int fd = -EBADF;
	struct slice pem;
	int r = 0;

	buf_init(&all, 2 * TRUST_MAX);
	if (c->system_trust)
		r = trust_system(&all, d);
	if (r == -ENOENT && c->upstream_trust.n == 0) {
		(void)diag_at(d, 0, 0,
			      "no system trust store was found, so no provider can be trusted: "
			      "install ca-certificates, or set upstream.trust");
		return r;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	all.max = 2 * TRUST_MAX;
	r = 0;
	for (size_t i = 0; r == 0 && i < c->upstream_trust.n; i++)
		r = append_file(c->upstream_trust.v[i], &all, d);
	if (r < 0)
		return r;
	pem = buf_slice(&all);
	fd = memfd_create("egret-trust", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, pem.p, pem.n, 0) != (ssize_t)pem.n ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
		(void)diag_at(d, 0, 0, "cannot hold the trust bundle: %s", strerror(errno));
		return errno ? -errno : -EIO;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
