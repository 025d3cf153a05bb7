/* SPDX-License-Identifier: Apache-2.0 */
/* Flow records of live client sockets, through an iterator loaded for one listing. See inspect.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "dataplane/inspect.h"
#include "dataplane/pins.h"

#include "flows.skel.h"

static void skel_free(struct flows_bpf **skel)
{
	flows_bpf__destroy(*skel);
}

static void link_free(struct bpf_link **link)
{
	(void)bpf_link__destroy(*link);
}

/* The iterator runs on the attached programs' map; the others of the shared header stay unmade. */
static int load(const struct inspect *in, struct flows_bpf *skel)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj) if (map != skel->maps.eg_cflow &&
						     bpf_map__set_autocreate(map, false) <
							     0) return -errno;
	if (bpf_map__reuse_fd(skel->maps.eg_cflow, in->map[PINS_eg_cflow]) < 0)
		return -errno;
	return flows_bpf__load(skel) < 0 ? -EOPNOTSUPP : 0;
}

/* seq_file hands out whole records, but read() may cut one: the rest is kept for the next round. */
static int read_all(int fd, inspect_flow_fn fn, void *ctx)
{
	char buf[sizeof(struct eg_flow) * 64];
	size_t have = 0, at;
	struct eg_flow flow;
	ssize_t n;
	int r = 0;

	while (r == 0) {
		n = read(fd, buf + have, sizeof(buf) - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : have ? -EIO : 0;
		have += (size_t)n;
		for (at = 0; r == 0 && have - at >= sizeof(flow); at += sizeof(flow)) {
			memcpy(&flow, buf + at, sizeof(flow));
			r = fn(ctx, &flow);
		}
		have -= at;
		memmove(buf, buf + at, have);
	}
	return r;
}

int inspect_flows(const struct inspect *in, inspect_flow_fn fn, void *ctx)
{
	union bpf_iter_link_info info = { .map.map_fd = (uint32_t)in->map[PINS_eg_cflow] };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	_cleanup_(skel_free) struct flows_bpf *skel = NULL;
	_cleanup_(link_free) struct bpf_link *link = NULL;
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (in->map[PINS_eg_cflow] < 0)
		return -ENOENT;
	skel = flows_bpf__open();
	if (!skel)
		return -errno;
	r = load(in, skel);
	if (r < 0)
		return r;
	link = bpf_program__attach_iter(skel->progs.eg_flows, &opts);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return -errno;
	return read_all(fd, fn, ctx);
}
