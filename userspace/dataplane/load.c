/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the dataplane: lock, what is pinned, this build's programs on the same maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "dataplane/cgroup.h"
#include "dataplane/state.h"
#include "dataplane/veth_private.h"

#include "egret.skel.h"

_Static_assert(DATAPLANE_PORTS_MAX == sizeof(((struct egret_bpf__rodata *)0)->eg_ports) / 2,
	       "ports in rodata");

/* libbpf's printer has no context argument and is one per process: so is this. */
static struct {
	dataplane_print_fn fn;
	void *ctx;
} printer;

static int _printf_(2, 0) print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[1024];

	if (!printer.fn || level > LIBBPF_INFO)
		return 0;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	printer.fn(printer.ctx, line);
	return 0;
}

static int open_cgroup(struct dataplane *dp, const struct dataplane_opts *o, struct diag *d)
{
	uint64_t id;
	int r;

	if (!o->cgroup)
		r = cgroup_mount(dp->cgroup, sizeof(dp->cgroup));
	else
		r = slice_copy(slice_str(o->cgroup), dp->cgroup, sizeof(dp->cgroup)) ==
				    strlen(o->cgroup)
			    ? 0
			    : -ENAMETOOLONG;
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot find the cgroup2 mount: %s", strerror(-r));
		return r;
	}
	r = cgroup_id(dp->cgroup, &id);
	if (r == 0) {
		dp->cgroup_fd = open(dp->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = dp->cgroup_fd < 0 ? -errno : 0;
	}
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot use %s as a cgroup v2: %s", dp->cgroup,
			      strerror(-r));
	return r;
}

/* Every live link must hold the cgroup that we are to enforce. */
static int check_links(struct dataplane *dp, struct diag *d)
{
	uint64_t want, id;
	int r;

	r = cgroup_id(dp->cgroup, &want);
	for (unsigned i = 0; r == 0 && i < PINS_PROG_COUNT; i++) {
		if (dp->in.link[i] < 0)
			continue;
		r = pins_link_cgroup(dp->in.link[i], &id);
		if (r < 0 || id == 0 || id == want)
			continue;
		(void)diag_at(d, 0, 0, "%s is attached to another cgroup than %s: release it first",
			      pins_prog_name(i), dp->cgroup);
		return -EXDEV;
	}
	return r;
}

static void set_config(struct egret_bpf *skel, const struct dataplane_opts *o)
{
	for (unsigned i = 0; i < ARRAY_SIZE(o->extra_ports); i++)
		skel->rodata->eg_ports[1 + i] = o->extra_ports[i];
	skel->rodata->eg_nat64 = o->nat64;
	skel->rodata->eg_nat64_bits = o->nat64_bits;
	skel->rodata->eg_allow_raw = o->allow_raw;
}

static bool is_same_shape(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t n = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &n) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

/* Programs of both generations meet in the same maps, but for those of another layout or shape: a
 * new one is made beside the old, which goes with the programs that used it. What it held is
 * written anew before it is needed, or learned again; connections that are being made are refused.
 * (eg_veth no program on a cgroup holds: it is new each time, see veth_adopt().)
 */
static int reuse_maps(struct dataplane *dp)
{
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(dp->skel->obj, pins_map_name(i));

		if (dp->in.map[i] < 0 || !map || !is_same_shape(map, dp->in.map[i]))
			dp->n_new_maps += i != PINS_eg_veth;
		else if (bpf_map__reuse_fd(map, dp->in.map[i]) < 0)
			return -errno;
	}
	return 0;
}

/* From here on dp->in.map names the maps of the programs just loaded. */
static int take_maps(struct dataplane *dp)
{
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(dp->skel->obj, pins_map_name(i));

		cleanup_close(&dp->in.map[i]);
		dp->in.map[i] = map ? fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3) : -EBADF;
		if (dp->in.map[i] < 0)
			return map ? -errno : -ENOENT;
	}
	return 0;
}

static int load(struct dataplane *dp, const struct dataplane_opts *o, struct diag *d)
{
	int r;

	dp->skel = egret_bpf__open();
	if (!dp->skel) {
		r = -errno;
		(void)diag_at(d, 0, 0, "cannot open the BPF programs: %s", strerror(-r));
		return r;
	}
	set_config(dp->skel, o);
	r = reuse_maps(dp);
	if (r < 0)
		return r;
	if (egret_bpf__load(dp->skel) < 0) {
		r = -errno;
		(void)diag_at(d, 0, 0, "cannot load the BPF programs: %s", strerror(-r));
		return r;
	}
	return take_maps(dp);
}

static int new_dataplane(const struct dataplane_opts *o, struct dataplane **ret)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));

	if (!dp)
		return -ENOMEM;
	pins_init(&dp->in);
	dp->lock_fd = dp->cgroup_fd = -EBADF;
	printer.fn = o->print;
	printer.ctx = o->print_ctx;
	(void)libbpf_set_print(print);
	(void)slice_copy(slice_str(o->pins), dp->pins, sizeof(dp->pins));
	*ret = dp;
	return strlen(o->pins) < sizeof(dp->pins) ? 0 : -ENAMETOOLONG;
}

/* What is pinned, and this build's programs on the same maps. */
static int read_and_load(struct dataplane *dp, const struct dataplane_opts *o, struct diag *d)
{
	int r = pins_read(o->pins, d, &dp->in);

	if (r == 0)
		r = check_links(dp, d);
	dp->adopted = r == 0 && pins_links(&dp->in) > 0;
	return r < 0 ? r : load(dp, o, d);
}

int dataplane_open(const struct dataplane_opts *o, struct diag *d, struct dataplane **ret)
{
	struct dataplane *dp = NULL;
	int r = new_dataplane(o, &dp);

	if (r == 0)
		r = open_cgroup(dp, o, d);
	if (r == 0 && o->lock_fd)
		dp->lock_fd = o->lock_fd;
	else if (r == 0)
		r = pins_lock(o->pins, d, &dp->lock_fd);
	if (r == 0)
		r = read_and_load(dp, o, d);
	if (r == 0)
		r = dataplane_events_open(dp);
	if (r == 0)
		r = dataplane_netns_forget_all(dp);
	if (r == 0)
		r = dataplane_own_dns_forget_all(dp);
	if (r < 0) {
		(void)dataplane_free(dp);
		return r;
	}
	*ret = dp;
	return 0;
}

int dataplane_try(const struct dataplane_opts *o, struct diag *d, unsigned *ret_links)
{
	struct dataplane *dp = NULL;
	int r = new_dataplane(o, &dp);

	if (r == 0)
		r = open_cgroup(dp, o, d);
	if (r == 0)
		r = access(o->pins, F_OK) == 0 ? read_and_load(dp, o, d) : load(dp, o, d);
	if (r == 0)
		*ret_links = pins_links(&dp->in);
	(void)dataplane_free(dp);
	return r;
}

struct dataplane *dataplane_free(struct dataplane *dp)
{
	if (!dp)
		return NULL;
	veth_close(dp);
	ring_buffer__free(dp->events);
	egret_bpf__destroy(dp->skel);
	pins_close(&dp->in);
	cleanup_close(&dp->cgroup_fd);
	cleanup_close(&dp->lock_fd);
	free(dp);
	return NULL;
}

bool dataplane_adopted(const struct dataplane *dp)
{
	return dp->adopted;
}

unsigned dataplane_new_maps(const struct dataplane *dp)
{
	return dp->adopted ? dp->n_new_maps : 0;
}

const struct inspect *dataplane_inspect(const struct dataplane *dp)
{
	return &dp->in;
}

int dataplane_lock_fd(const struct dataplane *dp)
{
	return dp->lock_fd;
}

uint64_t dataplane_cgroup_id(const struct dataplane *dp)
{
	uint64_t id;

	return cgroup_id(dp->cgroup, &id) < 0 ? 0 : id;
}

const char *dataplane_cgroup(const struct dataplane *dp)
{
	return dp->cgroup;
}
