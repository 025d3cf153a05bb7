/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/modes.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/log.h"
#include "daemon/edition.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "dataplane/inspect.h"
#include "identity/identity.h"
#include "policy/modes.h"

#define DEPTH_MAX  128 /* of directories that are looked at; deeper ones have the mode above */
#define EVENTS_MAX 64 /* buffers read in a turn of the loop */
#define AGAIN_US   2000000u /* between two walks where the kernel does not tell of new cgroups */

struct modes {
	struct modes_opts opts;
	struct policy_modes *policy; /* in force; NULL: none yet */
	uint32_t *lists; /* by workload: what the kernel calls its list */
	uint64_t attached; /* id of the cgroup */
	int dir_fd; /* it */
	int fan_fd; /* tells of new directories; -EBADF: walks do */
	struct io io;
	struct timer again;
	bool has_changed; /* some mode, in the walk under way */
};

/* ---- one cgroup ---- */

static bool is_same(const struct eg_mode *a, const struct eg_mode *b)
{
	return a->capture == b->capture && a->egress == b->egress && a->list == b->list;
}

/* Who is of no workload has the mode above: a name that policy does not know frees nobody. */
static struct eg_mode wanted(const struct modes *m, uint64_t id, const struct eg_mode *above)
{
	const struct policy_mode *p;
	char path[4608];
	uint32_t w = 0;

	if (m->policy && identity_cgroup_path(m->opts.identity, id, path, sizeof(path)) == 0)
		w = identity_cgroup_workload(m->opts.identity, slice_str(path));
	if (w == 0 || w >= m->policy->n)
		return *above;
	p = &m->policy->v[w];
	return (struct eg_mode){ .capture = p->capture,
				 .egress = p->egress,
				 .list = p->egress == EG_EGRESS_DENY ? m->lists[w] : 0,
				 .workload = w };
}

/* ret: what holds there now. */
static int write_one(struct modes *m, int fd, const struct eg_mode *above, struct eg_mode *ret)
{
	struct eg_mode old;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = wanted(m, st.st_ino, above);
	if (inspect_mode(dataplane_inspect(m->opts.dp), fd, &old) < 0)
		old = *above;
	r = dataplane_mode_set(m->opts.dp, fd, is_same(ret, above) ? NULL : ret);
	if (r == 0 && !is_same(ret, &old))
		m->has_changed = true;
	return r;
}

/* A directory and all below it. A cgroup that vanishes meanwhile is none of our business. */
static int walk(struct modes *m, int fd, const struct eg_mode *above, unsigned depth)
{
	struct eg_mode mode;
	struct dirent *e;
	int r = write_one(m, fd, above, &mode), list_fd;
	DIR *dir;

	if (r < 0 || depth == DEPTH_MAX)
		return r == -ENODEV || r == -ENOENT ? 0 : r;
	list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!dir)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while (r == 0 && (e = readdir(dir))) {
		_cleanup_close_ int below = -EBADF;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		below = openat(fd, e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			r = walk(m, below, &mode, depth + 1);
	}
	(void)closedir(dir);
	return r;
}

static int walk_all(struct modes *m)
{
	const struct eg_mode none = { 0 };

	return walk(m, m->dir_fd, &none, 0);
}

/* What holds above a cgroup. -ENOENT: it is not below the attached one. */
static int find_above(const struct modes *m, int fd, struct eg_mode *ret)
{
	_cleanup_close_ int at = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st, before = { 0 };
	bool found = false;

	*ret = (struct eg_mode){ 0 };
	while (at >= 0 && fstat(at, &st) == 0 && st.st_ino != before.st_ino) {
		int next;

		if (!found)
			found = inspect_mode(dataplane_inspect(m->opts.dp), at, ret) == 0;
		if (st.st_ino == m->attached)
			return 0;
		before = st;
		next = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		cleanup_close(&at);
		at = next;
	}
	return -ENOENT;
}

static void look_at(struct modes *m, int fd)
{
	struct eg_mode above;
	int r;

	if (!m->policy || !m->policy->any || find_above(m, fd, &above) < 0)
		return;
	r = walk(m, fd, &above, 0);
	if (r < 0)
		log_warn_limited("a new cgroup keeps the mode above it: %s", strerror(-r));
}

void modes_prepare(struct modes *m, const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		look_at(m, fd);
}

/* ---- new cgroups ---- */

/* The name of a directory that was made, behind the handle of the one it is in. */
static void on_made(struct modes *m, const struct fanotify_event_info_fid *info)
{
	struct file_handle *handle = (struct file_handle *)(uintptr_t)info->handle;
	const char *name = (const char *)handle->f_handle + handle->handle_bytes;
	_cleanup_close_ int parent = -EBADF, fd = -EBADF;

	parent = open_by_handle_at(m->dir_fd, handle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent >= 0)
		fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		look_at(m, fd);
}

/* The first of n bytes of events; how long it is, 0: there is none. Events follow each other at
 * multiples of four bytes, so their heads cannot be read where they lie. */
static size_t on_event(struct modes *m, const char *at, size_t n)
{
	const struct fanotify_event_info_fid *info = (const void *)(at + FAN_EVENT_METADATA_LEN);
	struct fanotify_event_metadata e;

	if (n < sizeof(e))
		return 0;
	memcpy(&e, at, sizeof(e));
	if (e.event_len < sizeof(e) || e.event_len > n)
		return 0;
	if (e.mask & FAN_Q_OVERFLOW)
		(void)!walk_all(m); /* some were lost: all are looked at */
	else if (e.event_len > sizeof(e) + sizeof(*info) &&
		 info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME)
		on_made(m, info);
	return e.event_len;
}

static void on_readable(struct io *io, int events)
{
	struct modes *m = container_of(io, struct modes, io);
	char in[8192] __attribute__((aligned(8)));

	(void)events;
	m->has_changed = false;
	for (unsigned i = 0; i < EVENTS_MAX; i++) {
		ssize_t n = read(m->fan_fd, in, sizeof(in));
		size_t len;

		if (n <= 0)
			break;
		for (const char *at = in; (len = on_event(m, at, (size_t)n)) > 0; at += len)
			n -= (ssize_t)len;
	}
	if (m->has_changed)
		m->opts.on_change(m->opts.ctx);
}

static void on_again(struct timer *t)
{
	struct modes *m = container_of(t, struct modes, again);

	m->has_changed = false;
	if (m->policy && m->policy->any)
		(void)!walk_all(m);
	if (m->has_changed)
		m->opts.on_change(m->opts.ctx);
	timer_start(t, m->opts.loop, AGAIN_US, on_again);
}

static void start_watching(struct modes *m, const char *dir)
{
	m->fan_fd = fanotify_init(
		FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME, O_RDONLY);
	if (m->fan_fd >= 0 && fanotify_mark(m->fan_fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
					    FAN_CREATE | FAN_ONDIR, AT_FDCWD, dir) == 0) {
		io_start(&m->io, m->opts.loop, m->fan_fd, IO_READ, on_readable);
		return;
	}
	warnings_set(m->opts.warnings, "modes of new cgroups",
		     "the kernel does not tell of new cgroups: %s: they are looked for every %u s",
		     strerror(errno), AGAIN_US / 1000000u);
	cleanup_close(&m->fan_fd);
	m->fan_fd = -EBADF;
	timer_start(&m->again, m->opts.loop, AGAIN_US, on_again);
}

/* ---- policy ---- */

/* The same for the same name in every run, so that what the kernel learned by a list stays good. */
static uint32_t *number_lists(const struct edition *e, size_t n)
{
	uint32_t *lists = calloc(n, sizeof(*lists));

	for (size_t i = 1; lists && i < n; i++) {
		uint64_t h = hash_bytes(HASH_SEED, policy_workload_name(e->policy, (unsigned)i));

		lists[i] = (uint32_t)(h ^ h >> 32) | 1;
		for (size_t k = 1; k < i; k++)
			if (lists[k] == lists[i]) {
				lists[i] += 2;
				k = 0;
			}
	}
	return lists;
}

static int set_lists(struct modes *m, const struct policy_modes *p, const uint32_t *lists,
		     struct diag *d)
{
	_cleanup_free_ struct dataplane_allow *v = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].n_allow;
	v = calloc(n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->v[i].n_allow; k++) {
			const struct policy_allow *a = &p->v[i].allow[k];

			v[n++] = (struct dataplane_allow){ .list = lists[i],
							   .name = a->name,
							   .addr = a->addr,
							   .port = a->port,
							   .proto = a->proto };
		}
	return dataplane_lists_set(m->opts.dp, v, n, d);
}

int modes_apply(struct modes *m, const struct edition *e, struct diag *d)
{
	struct policy_modes *p = NULL;
	uint32_t *lists = NULL;
	int r = policy_modes_read(e->doc, d, &p);

	if (r == 0)
		lists = number_lists(e, p->n);
	if (r == 0 && !lists)
		r = -ENOMEM;
	if (r == 0)
		r = set_lists(m, p, lists, d);
	if (r < 0) {
		free(lists);
		(void)policy_modes_free(p);
		return r;
	}
	m->policy = policy_modes_free(m->policy);
	m->policy = p;
	free(m->lists);
	m->lists = lists;
	if (p->any)
		r = dataplane_modes_switch(m->opts.dp, true);
	if (r == 0)
		r = walk_all(m);
	if (r == 0 && !p->any)
		r = dataplane_modes_switch(m->opts.dp, false);
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot write modes of cgroups to the kernel: %s",
			      strerror(-r));
	return r;
}

int modes_new(const struct modes_opts *o, struct modes **ret)
{
	const char *dir = dataplane_cgroup(o->dp);
	struct modes *m = calloc(1, sizeof(*m));
	struct stat st;
	int r;

	if (!m)
		return -ENOMEM;
	m->opts = *o;
	m->fan_fd = -EBADF;
	m->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dir_fd < 0 || fstat(m->dir_fd, &st) < 0) {
		r = -errno;
		(void)modes_free(m);
		return r;
	}
	m->attached = st.st_ino;
	start_watching(m, dir);
	*ret = m;
	return 0;
}

struct modes *modes_free(struct modes *m)
{
	if (!m)
		return NULL;
	io_stop(&m->io);
	timer_stop(&m->again);
	cleanup_close(&m->fan_fd);
	cleanup_close(&m->dir_fd);
	m->policy = policy_modes_free(m->policy);
	free(m->lists);
	free(m);
	return NULL;
}
