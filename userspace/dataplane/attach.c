/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaches, updates in place. Links are pinned as soon as they exist, in the order of
 * EG_PROGS (the gate first), so that whatever interrupts this refuses and never lets through.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "dataplane/layouts.h"
#include "dataplane/state.h"
#include "dataplane/veth_private.h"

#include "egret.skel.h"

static int fail(struct dataplane *dp, struct diag *d, int r, const char *action, unsigned i)
{
	(void)diag_at(d, 0, 0, "cannot %s %s on %s: %s", action, pins_prog_name(i), dp->cgroup,
		      strerror(-r));
	return r;
}

static int make_link(struct dataplane *dp, const struct bpf_program *prog, unsigned i,
		     struct diag *d)
{
	_cleanup_close_ int fd = -EBADF;
	char path[4096];
	int r;

	r = pins_path(dp->pins, pins_prog_name(i), path, sizeof(path));
	if (r < 0)
		return fail(dp, d, r, "pin", i);
	/* A link whose cgroup was removed holds nothing; its pin makes room. */
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(dp, d, -errno, "unpin the dead", i);
	fd = bpf_link_create(bpf_program__fd(prog), dp->cgroup_fd,
			     bpf_program__expected_attach_type(prog), NULL);
	if (fd < 0)
		return fail(dp, d, -errno, "attach", i);
	if (bpf_obj_pin(fd, path) < 0)
		return fail(dp, d, -errno, "pin", i);

	dp->in.link[i] = TAKE_FD(fd);
	return 0;
}

static int attach_one(struct dataplane *dp, unsigned i, struct diag *d)
{
	const struct bpf_program *prog =
		bpf_object__find_program_by_name(dp->skel->obj, pins_prog_name(i));
	uint64_t cgroup = 0;
	int r;

	if (!prog)
		return fail(dp, d, -ENOENT, "find the program", i);
	if (dp->in.link[i] >= 0) {
		r = pins_link_cgroup(dp->in.link[i], &cgroup);
		if (r < 0)
			return fail(dp, d, r, "read the link of", i);
	}
	if (cgroup != 0) {
		if (bpf_link_update(dp->in.link[i], bpf_program__fd(prog), NULL) < 0)
			return fail(dp, d, -errno, "update", i);
	} else {
		cleanup_close(&dp->in.link[i]);
		dp->in.link[i] = -EBADF;
		r = make_link(dp, prog, i, d);
		if (r < 0)
			return r;
	}

	cleanup_close(&dp->in.prog[i]);
	dp->in.prog[i] = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3);
	return dp->in.prog[i] < 0 ? fail(dp, d, -errno, "keep", i) : 0;
}

static int say_layouts(struct dataplane *dp, struct diag *d)
{
	int r = layouts_done(dp->pins);

	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot write the layouts of maps beside the pins in %s: %s",
			      dp->pins, strerror(-r));
	return r;
}

int dataplane_attach(struct dataplane *dp, struct diag *d)
{
	char path[4096];
	int r;

	r = pins_path(dp->pins, NULL, path, sizeof(path));
	if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot make %s: %s", path, strerror(-r));
		return r;
	}
	/* Interrupted, it must not be taken for one or the other. */
	if (dataplane_new_maps(dp))
		r = layouts_begin(dp->pins);
	for (unsigned i = 0; r == 0 && i < PINS_PROG_COUNT; i++)
		r = attach_one(dp, i, d);
	if (r == 0)
		r = veth_adopt(dp, d);
	return r < 0 ? r : say_layouts(dp, d);
}
