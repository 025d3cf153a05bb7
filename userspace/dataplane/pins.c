/* SPDX-License-Identifier: Apache-2.0 */
/* See pins.h. Opens and reads; creates and removes nothing. */
#include "dataplane/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/layouts.h"
#include "egret/abi.h"

static const struct {
	const char *name, *type;
} progs[] = {
#define X(name, type) { #name, type },
	EG_PROGS(X)
#undef X
};

static const struct {
	const char *name, *text;
	unsigned layout;
} maps[] = {
#define X(name, layout, text) { #name, text, layout },
	EG_MAPS(X)
#undef X
};

const char *pins_prog_name(unsigned prog)
{
	return progs[prog].name;
}

const char *pins_prog_type(unsigned prog)
{
	return progs[prog].type;
}

const char *pins_map_name(unsigned map)
{
	return maps[map].name;
}

const char *pins_map_text(unsigned map)
{
	return maps[map].text;
}

unsigned pins_map_layout(unsigned map)
{
	return maps[map].layout;
}

void pins_init(struct inspect *in)
{
	for (unsigned i = 0; i < PINS_PROG_COUNT; i++)
		in->link[i] = in->prog[i] = -EBADF;
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++)
		in->map[i] = -EBADF;
}

void pins_close(struct inspect *in)
{
	for (unsigned i = 0; i < PINS_PROG_COUNT; i++) {
		cleanup_close(&in->link[i]);
		cleanup_close(&in->prog[i]);
	}
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++)
		cleanup_close(&in->map[i]);
	pins_init(in);
}

int pins_path(const char *dir, const char *name, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s/v%d%s%s", dir, EG_ABI_VERSION, name ? "/" : "",
			 name ? name : "");

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* A directory v2 beside our v1 means programs whose maps we would read wrongly. */
static int check_version(const char *dir, struct diag *d)
{
	char ours[16];
	struct dirent *e;
	int r = 0;
	DIR *dp;

	dp = opendir(dir);
	if (!dp) {
		r = -errno;
		(void)diag_at(d, 0, 0, "cannot read %s: %s", dir, strerror(-r));
		return r;
	}
	(void)snprintf(ours, sizeof(ours), "v%d", EG_ABI_VERSION);
	while ((e = readdir(dp)))
		if (e->d_name[0] == 'v' && strcmp(e->d_name, ours) != 0) {
			(void)diag_at(d, 0, 0,
				      "%s/%s was made by another version of egret: "
				      "let that version release it first",
				      dir, e->d_name);
			r = -EPROTO;
			break;
		}
	(void)closedir(dp);
	return r;
}

int pins_link_cgroup(int link_fd, uint64_t *ret)
{
	struct bpf_link_info info = { 0 };
	uint32_t n = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &n) < 0)
		return -errno;
	*ret = info.cgroup.cgroup_id;
	return 0;
}

/* Keeps the first fd for each of our map names. */
static int take_map(uint32_t id, struct inspect *in)
{
	_cleanup_close_ int fd = bpf_map_get_fd_by_id(id);
	struct bpf_map_info info = { 0 };
	uint32_t n = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &n) < 0)
		return -errno;
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++)
		if (in->map[i] < 0 && strcmp(info.name, maps[i].name) == 0) {
			in->map[i] = TAKE_FD(fd);
			break;
		}
	return 0;
}

static int take_prog(unsigned i, struct inspect *in)
{
	struct bpf_link_info link = { 0 };
	uint32_t ids[32], n = sizeof(link);
	struct bpf_prog_info prog = { .nr_map_ids = ARRAY_SIZE(ids), .map_ids = (uintptr_t)ids };
	int r;

	if (bpf_obj_get_info_by_fd(in->link[i], &link, &n) < 0)
		return -errno;
	in->prog[i] = bpf_prog_get_fd_by_id(link.prog_id);
	if (in->prog[i] < 0)
		return -errno;
	n = sizeof(prog);
	if (bpf_obj_get_info_by_fd(in->prog[i], &prog, &n) < 0)
		return -errno;
	for (unsigned m = 0; m < prog.nr_map_ids && m < ARRAY_SIZE(ids); m++) {
		r = take_map(ids[m], in);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What this build would read wrongly. */
static int leave_others(const char *dir, struct diag *d, struct inspect *in)
{
	bool known[PINS_MAP_COUNT];
	int r = layouts_read(dir, known);

	if (r < 0)
		return diag_at(d, 0, 0, "cannot read the layouts of maps beside the pins in %s: %s",
			       dir, strerror(-r));
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++) {
		if (known[i])
			continue;
		cleanup_close(&in->map[i]);
		in->map[i] = -EBADF;
	}
	return 0;
}

int pins_read(const char *dir, struct diag *d, struct inspect *in)
{
	char path[4096];
	int r;

	r = check_version(dir, d);
	for (unsigned i = 0; r == 0 && i < PINS_PROG_COUNT; i++) {
		r = pins_path(dir, progs[i].name, path, sizeof(path));
		if (r < 0)
			break;
		in->link[i] = bpf_obj_get(path);
		if (in->link[i] < 0 && errno == ENOENT)
			continue;
		r = in->link[i] < 0 ? -errno : take_prog(i, in);
		if (r < 0)
			(void)diag_at(d, 0, 0, "cannot read the pin %s: %s", path, strerror(-r));
	}
	return r < 0 ? r : leave_others(dir, d, in);
}

unsigned pins_links(const struct inspect *in)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PINS_PROG_COUNT; i++)
		n += in->link[i] >= 0;
	return n;
}
