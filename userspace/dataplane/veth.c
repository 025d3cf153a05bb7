/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/veth.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/state.h"
#include "dataplane/veth_private.h"

#include "egret.skel.h"

/* linux/bpf.h, since Linux 6.6; libbpf 1.1 has no word for them. */
#define TCX_INGRESS 46
#define FLAG_BEFORE (1u << 3) /* BPF_F_BEFORE without a relative: before all others */

#define PIN_PREFIX  "eg_veth-"

static int program(const struct dataplane *dp)
{
	return bpf_program__fd(dp->skel->progs.eg_veth_ingress);
}

static int make_link(const struct dataplane *dp, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FLAG_BEFORE);
	int fd = bpf_link_create(program(dp), (int)ifindex, TCX_INGRESS, &opts);

	return fd < 0 ? -errno : fd;
}

int veth_probe(const struct dataplane *dp)
{
	_cleanup_close_ int fd = make_link(dp, INT_MAX);

	/* A kernel that knows tcx looks for the device. */
	return fd == -ENODEV ? 0 : -EOPNOTSUPP;
}

static int pin_path(const struct dataplane *dp, uint32_t ifindex, char *ret, size_t size)
{
	char name[32];

	(void)snprintf(name, sizeof(name), PIN_PREFIX "%u", ifindex);
	return pins_path(dp->pins, name, ret, size);
}

static struct veth *find(struct dataplane *dp, uint32_t ifindex)
{
	struct veth *v = dp->veths;

	while (v && v->ifindex != ifindex)
		v = v->next;
	return v;
}

static int keep(struct dataplane *dp, uint32_t ifindex, int *fd)
{
	struct veth *v = malloc(sizeof(*v));

	if (!v)
		return -ENOMEM;
	*v = (struct veth){ dp->veths, ifindex, TAKE_FD(*fd) };
	dp->veths = v;
	dp->n_veths++;
	return 0;
}

/* What it has dropped so far stays counted. */
static int note(struct dataplane *dp, uint32_t ifindex, uint64_t netns)
{
	struct eg_veth value = { 0 };
	int fd = dp->in.map[PINS_eg_veth];

	if (bpf_map_lookup_elem(fd, &ifindex, &value) == 0 && value.netns == netns)
		return 0;
	value.netns = netns;
	return bpf_map_update_elem(fd, &ifindex, &value, BPF_ANY) < 0 ? -errno : 0;
}

int veth_attach(struct dataplane *dp, uint32_t ifindex, uint64_t netns)
{
	_cleanup_close_ int fd = -EBADF;
	char path[4096];
	int r;

	if (find(dp, ifindex))
		return note(dp, ifindex, netns);
	if (dp->n_veths >= VETH_MAX)
		return -ENOSPC;
	r = pin_path(dp, ifindex, path, sizeof(path));
	if (r < 0)
		return r;
	/* A pin of a device that is gone, whose number came again. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	r = note(dp, ifindex, netns);
	if (r < 0)
		return r;
	fd = make_link(dp, ifindex);
	if (fd < 0)
		return fd;
	if (bpf_obj_pin(fd, path) < 0)
		return -errno;
	return keep(dp, ifindex, &fd);
}

static int take_away(int fd, const char *path)
{
	if (bpf_link_detach(fd) < 0 && errno != ENOLINK && errno != ENODEV)
		return -errno;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int veth_detach(struct dataplane *dp, uint32_t ifindex)
{
	struct veth **at = &dp->veths, *v;
	char path[4096];
	int r;

	while (*at && (*at)->ifindex != ifindex)
		at = &(*at)->next;
	v = *at;
	if (!v)
		return 0;
	r = pin_path(dp, ifindex, path, sizeof(path));
	if (r == 0)
		r = take_away(v->link_fd, path);
	if (r < 0)
		return r;
	*at = v->next;
	dp->n_veths--;
	cleanup_close(&v->link_fd);
	free(v);
	(void)bpf_map_delete_elem(dp->in.map[PINS_eg_veth], &ifindex);
	return 0;
}

int veth_each(struct dataplane *dp, veth_fn fn, void *ctx)
{
	struct veth *next;
	int r = 0;

	for (struct veth *v = dp->veths; v && r == 0; v = next) {
		struct veth_state state = { .ifindex = v->ifindex };
		struct eg_veth value;

		next = v->next;
		if (bpf_map_lookup_elem(dp->in.map[PINS_eg_veth], &v->ifindex, &value) == 0) {
			state.netns = value.netns;
			state.dropped = value.dropped;
		}
		r = fn(ctx, &state);
	}
	return r;
}

/* ---- life ---- */

/* Which device the link holds; 0: it is gone. `tcx` and `netns` of the info have one layout. */
static int link_ifindex(int fd, uint32_t *ret)
{
	struct bpf_link_info info = { 0 };
	uint32_t n = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &n) < 0)
		return -errno;
	*ret = info.netns.netns_ino;
	return 0;
}

static int adopt(void *ctx, const char *path)
{
	struct dataplane *dp = ctx;
	_cleanup_close_ int fd = bpf_obj_get(path);
	uint32_t ifindex;
	int r;

	if (fd < 0)
		return -errno;
	r = link_ifindex(fd, &ifindex);
	if (r < 0)
		return r;
	if (ifindex == 0 || find(dp, ifindex))
		return unlink(path) < 0 ? -errno : 0;
	if (bpf_link_update(fd, program(dp), NULL) < 0)
		return -errno;
	r = note(dp, ifindex, 0);
	return r < 0 ? r : keep(dp, ifindex, &fd);
}

static int drop(void *ctx, const char *path)
{
	_cleanup_close_ int fd = bpf_obj_get(path);

	(void)ctx;
	return fd < 0 ? -errno : take_away(fd, path);
}

static int each_pin(const char *pins, struct diag *d, int (*fn)(void *ctx, const char *path),
		    void *ctx)
{
	char dir[4096], path[4096];
	struct dirent *e;
	int r;
	DIR *dirp;

	r = pins_path(pins, NULL, dir, sizeof(dir));
	dirp = r == 0 ? opendir(dir) : NULL;
	if (!dirp)
		return r == 0 && errno != ENOENT ? -errno : r;
	while (r == 0 && (e = readdir(dirp))) {
		if (strncmp(e->d_name, PIN_PREFIX, sizeof(PIN_PREFIX) - 1) != 0)
			continue;
		r = pins_path(pins, e->d_name, path, sizeof(path));
		if (r == 0)
			r = fn(ctx, path);
		if (r < 0)
			(void)diag_at(d, 0, 0, "cannot take over or away the pin %s: %s", path,
				      strerror(-r));
	}
	(void)closedir(dirp);
	return r;
}

int veth_adopt(struct dataplane *dp, struct diag *d)
{
	return each_pin(dp->pins, d, adopt, dp);
}

int veth_unpin_all(const char *pins, struct diag *d)
{
	return each_pin(pins, d, drop, NULL);
}

void veth_close(struct dataplane *dp)
{
	struct veth *v;

	while ((v = dp->veths)) {
		dp->veths = v->next;
		cleanup_close(&v->link_fd);
		free(v);
	}
	dp->n_veths = 0;
}
