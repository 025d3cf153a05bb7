/* SPDX-License-Identifier: Apache-2.0 */
/* Takes enforcement away: on purpose, and only here. By whoever has the lock on the pins. */
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/layouts.h"
#include "dataplane/state.h"
#include "dataplane/veth_private.h"

static int fail(struct diag *d, int r, const char *action, const char *name, const char *dir)
{
	(void)diag_at(d, 0, 0, "cannot %s %s, pinned in %s: %s", action, name, dir, strerror(-r));
	return r;
}

static int release_one(const char *dir, unsigned i, int *link, struct diag *d)
{
	char path[4096];
	int r;

	if (*link < 0)
		return 0;
	if (bpf_link_detach(*link) < 0 && errno != ENOLINK)
		return fail(d, -errno, "detach", pins_prog_name(i), dir);
	r = pins_path(dir, pins_prog_name(i), path, sizeof(path));
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		return fail(d, r, "unpin", pins_prog_name(i), dir);
	cleanup_close(link);
	*link = -EBADF;
	return 0;
}

/* Redirects end first and the gate last: on the way, governed connections are refused. */
static int release(const char *dir, struct inspect *in, struct diag *d)
{
	char path[4096] = "";
	int r = 0;

	for (unsigned i = PINS_PROG_COUNT; r == 0 && i-- > 0;)
		r = release_one(dir, i, &in->link[i], d);
	if (r == 0)
		r = veth_unpin_all(dir, d);
	if (r < 0)
		return r;
	r = layouts_remove(dir);
	if (r == 0)
		r = pins_path(dir, NULL, path, sizeof(path));
	if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot remove %s: %s", path, strerror(-r));
	return r;
}

int dataplane_release(struct dataplane *dp, struct diag *d)
{
	veth_close(dp);
	return release(dp->pins, &dp->in, d);
}

int dataplane_release_left(const char *dir, struct diag *d)
{
	_cleanup_close_ int lock = -EBADF;
	struct inspect in;
	int r;

	if (access(dir, F_OK) < 0)
		return -errno;
	r = pins_lock(dir, d, &lock);
	if (r < 0)
		return r;
	pins_init(&in);
	r = pins_read(dir, d, &in);
	if (r == 0)
		r = release(dir, &in, d);
	pins_close(&in);
	if (r < 0)
		return r;
	cleanup_close(&lock);
	lock = -EBADF;
	dataplane_bpffs_unmount(dir);
	return 0;
}
