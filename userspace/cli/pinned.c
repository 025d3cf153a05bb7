/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pinned.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/cgroup.h"
#include "identity/cgroupfs.h"

int pinned_open(struct cli *cli, const struct diag *dead, struct inspect **ret)
{
	struct diag d = { 0 };
	char dir[256];
	int r;

	if (!cli_path(cli, "bpf", dir, sizeof(dir)))
		return cli_usage(cli, "--run-dir: the path is too long");
	r = inspect_open(dir, &d, ret);
	if (r < 0)
		return cli_fail(cli, "unavailable", "%s; and the pins do not help: %s", dead->text,
				d.text[0] ? d.text : strerror(-r));
	cli_note(cli, "%s; this is what is pinned in %s", dead->text, dir);
	return 0;
}

void pinned_close(struct inspect **in)
{
	*in = inspect_free(*in);
}

int pinned_check(struct cli *cli, int error, const char *what)
{
	if (error >= 0)
		return 0;
	if (error == -EOPNOTSUPP)
		return cli_fail(cli, "unavailable",
				"cannot list %s: this kernel refuses the BPF iterator for it: "
				"it needs Linux 5.10 or later, built with BTF, and no lockdown",
				what);
	return cli_fail(cli, "unavailable", "cannot list %s from the pins: %s", what,
			strerror(-error));
}

static int on_prog(void *ctx, const struct inspect_prog *p)
{
	uint64_t *cgroup = ctx;

	*cgroup = p->cgroup;
	return p->cgroup != 0; /* one is enough: all are on the same */
}

int pinned_cgroup(const struct inspect *in, const char *mount, char *to, size_t size)
{
	struct cgroupfs fs;
	char path[256];
	uint64_t id = 0;
	int r = inspect_progs(in, on_prog, &id), n;

	if (r < 0 || !id)
		return -ENOENT;
	r = cgroupfs_open(&fs, mount);
	if (r < 0)
		return r;
	r = cgroupfs_path(&fs, id, path, sizeof(path));
	cgroupfs_close(&fs);
	if (r < 0)
		return r;
	n = snprintf(to, size, "%s%s", mount, strcmp(path, "/") == 0 ? "" : path);
	return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int pinned_cgroups(struct cli *cli, const struct inspect *in, pinned_cgroups_fn fn, void *ctx)
{
	struct cgroup_walk *w = NULL;
	struct cgroup_item i;
	char mount[256], dir[4352];
	int r = cgroup_mount(mount, sizeof(mount));

	if (r == 0)
		r = pinned_cgroup(in, mount, dir, sizeof(dir));
	if (r == 0)
		r = cgroup_walk_new(in, dir, dir[strlen(mount)] ? dir + strlen(mount) : "/", &w);
	while (r >= 0 && (r = cgroup_walk_next(w, &i)) > 0)
		r = fn(ctx, &i);
	w = cgroup_walk_free(w);
	return pinned_check(cli, r, "cgroups");
}
