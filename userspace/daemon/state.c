/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "daemon/trusted.h"
#include "dataplane/cgroup.h"
#include "dataplane/dataplane.h"

int state_directories(const struct config *c, struct diag *d)
{
	int r = trusted_directory(c->run_dir, 0755, d);

	return r < 0 ? r : trusted_directory(c->state_dir, 0700, d);
}

int state_fingerprint_key(const char *state_dir, struct diag *d, uint8_t ret[32])
{
	_cleanup_(buf_release) struct buf text = { 0 };
	_cleanup_close_ int fd = -EBADF;
	char path[4352];
	int r;

	(void)snprintf(path, sizeof(path), "%s/fingerprint.key", state_dir);
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		if (getrandom(ret, 32, 0) != 32)
			return -EIO;
		return trusted_write(path, 0600, slice_of(ret, 32), d);
	}
	r = trusted_open_secret(path, 32, d, &fd);
	if (r == 0)
		r = trusted_read(path, fd, 32, d, &text);
	if (r < 0)
		return r;
	if (buf_len(&text) != 32)
		return diag_at(d, 0, 0,
			       "%s: must hold 32 bytes: move it away to have a new one made", path);
	memcpy(ret, text.p + text.start, 32);
	explicit_bzero(text.p, text.size);
	return 0;
}

void state_remove_socket(const struct config *c)
{
	char path[4352];

	(void)snprintf(path, sizeof(path), "%s/control.sock", c->run_dir);
	(void)unlink(path);
}

void state_unmount_pins(const struct config *c)
{
	char path[4352];

	(void)snprintf(path, sizeof(path), "%s/bpf", c->run_dir);
	dataplane_bpffs_unmount(path);
}

static int make_below(const char *cgroup, const char *name, char *to, size_t size)
{
	(void)snprintf(to, size, "%s/%s", cgroup, name);
	return mkdir(to, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int move_self(const char *cgroup)
{
	_cleanup_close_ int fd = -EBADF;
	char path[4352];
	int r;

	r = make_below(cgroup, "egret", path, sizeof(path));
	if (r == 0)
		r = make_below(cgroup, "egret/daemon", path, sizeof(path));
	if (r == 0)
		r = make_below(cgroup, "egret/daemon/cgroup.procs", path, sizeof(path));
	if (r == 0)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = -errno;
	/* 0: whoever writes. */
	return r == 0 && write(fd, "0", 1) != 1 ? -errno : r;
}

int state_enter_cgroup(const char *cgroup, struct diag *d)
{
	bool is_inside;
	int r;

	if (!*cgroup)
		return 0;
	r = cgroup_contains_self(cgroup, &is_inside);
	if (r == 0 && is_inside)
		return 0;
	if (r == 0)
		r = move_self(cgroup);
	if (r == 0)
		r = cgroup_contains_self(cgroup, &is_inside);
	if (r == 0 && !is_inside)
		r = -EXDEV;
	if (r < 0)
		(void)diag_at(
			d, 0, 0,
			"egretd must run inside the cgroup that it enforces, and cannot move to "
			"%s/egret/daemon: %s: start it there, or leave `cgroup` empty for the root "
			"of the cgroup2 mount",
			cgroup, strerror(-r));
	return r;
}
