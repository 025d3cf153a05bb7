/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says is attached at a cgroup, whatever the pins claim. See inspect.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>

#include "base/slice.h"
#include "dataplane/inspect.h"
#include "dataplane/pins.h"

#define QUERY_MAX 64 /* the kernel's own limit of programs on one hook of one cgroup */

static int type_by_name(const char *name, enum bpf_attach_type *ret)
{
	for (int t = 0; t < __MAX_BPF_ATTACH_TYPE; t++) {
		const char *str = libbpf_bpf_attach_type_str((enum bpf_attach_type)t);

		if (str && strcmp(str, name) == 0) {
			*ret = (enum bpf_attach_type)t;
			return 0;
		}
	}
	return -ENOENT;
}

static int prog_id(int fd, uint32_t *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t n = sizeof(info);

	*ret = 0;
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &n) < 0)
		return -errno;
	*ret = info.id;
	return 0;
}

/* Its name may be gone by now: the id alone is worth showing. */
static void add_rival(struct inspect_hook *h, uint32_t id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	uint32_t n = sizeof(info);

	if (h->n_rivals < ARRAY_SIZE(h->rival)) {
		h->rival[h->n_rivals].id = id;
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &n) == 0)
			(void)slice_copy(slice_str(info.name), h->rival[h->n_rivals].name,
					 sizeof(h->rival[0].name));
	}
	h->n_rivals++;
}

static int query(const struct inspect *in, int cgroup_fd, unsigned i, struct inspect_hook *h)
{
	uint32_t ids[QUERY_MAX], n = QUERY_MAX, ours = 0;
	enum bpf_attach_type type;
	int r;

	*h = (struct inspect_hook){ .name = pins_prog_name(i), .attach_type = pins_prog_type(i) };
	r = type_by_name(pins_prog_type(i), &type);
	if (r == 0 && in)
		r = prog_id(in->prog[i], &ours);
	if (r < 0)
		return r;
	if (bpf_prog_query(cgroup_fd, type, BPF_F_QUERY_EFFECTIVE, NULL, ids, &n) < 0)
		return -errno;
	for (uint32_t k = 0; k < n && k < QUERY_MAX; k++)
		if (ours && ids[k] == ours)
			h->attached = true;
		else
			add_rival(h, ids[k]);
	return 0;
}

int inspect_hooks(const struct inspect *in, const char *cgroup, inspect_hook_fn fn, void *ctx)
{
	_cleanup_close_ int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	for (unsigned i = 0; r == 0 && i < PINS_PROG_COUNT; i++) {
		struct inspect_hook h;

		r = query(in, fd, i, &h);
		if (r == 0)
			r = fn(ctx, &h);
	}
	return r;
}
