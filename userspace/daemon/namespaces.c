/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/namespaces.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/backstop.h"
#include "daemon/census.h"
#include "daemon/children.h"
#include "daemon/namespaces_private.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "identity/process.h"

#define CENSUS_US      5000000u
#define SOON_US	       200000u /* after what may have changed something */
#define RETRY_US       10000u /* between two tries to listen in one namespace */
/* Before an empty namespace is given up. A process may escape one census (born behind it, its maker
 * gone before it), and commands that come one after the other leave it empty in between. */
#define GRACE_US       5000000u
#define GRACE_SHORT_US 500000u /* while others want its place */

/* ---- one namespace ---- */

static void try_open(struct namespaces *n, struct namespace *ns)
{
	uint64_t now = clock_mono_us();
	unsigned came;

	if (now < ns->try_us)
		return;
	ns->try_us = now + RETRY_US;
	came = namespace_open(ns, n->opts.dp);
	if (!came)
		return;
	namespaces_tell(n, ns, came);
	log_debug("listening in a network namespace: netns=%llu ipv4=%d ipv6=%d",
		  (unsigned long long)ns->cookie, ns->family[0].is_open, ns->family[1].is_open);
}

/* ---- a process ---- */

struct look {
	int dir; /* /proc/PID */
	pid_t tgid, tid;
	uint64_t start_ns;
	uint64_t expected; /* cookie, or 0: whatever it is in */
	bool is_asked; /* by the process, so that it counts against its share of our time */
};

static void end_old(struct namespaces *n, const struct namespace *ns)
{
	int r = dataplane_sweep(n->opts.dp, ns->fd, true);

	if (r > 0)
		log_info("ended connections to governed addresses that were older than "
			 "enforcement: %d, in a network namespace that has just appeared",
			 r);
}

static void look_for_dns(struct namespaces *n, struct namespace *ns, int dir)
{
	if (own_dns_look(&ns->own_dns, dir))
		namespaces_tell_dns(n, ns);
}

static int open_netns(const struct look *l, int *ret)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "task/%d/ns/net", (int)l->tid);
	fd = openat(l->dir, l->tid ? path : "ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	*ret = fd;
	return 0;
}

static int share_of(struct namespaces *n, const struct look *l, uint64_t *ret)
{
	char path[CGROUPFS_PATH_MAX];
	int r = process_cgroup(l->dir, path, sizeof(path));

	if (r == 0)
		r = shares_of(&n->shares, slice_str(path), ret);
	if (r < 0)
		return -ESRCH;
	if (l->is_asked && !shares_take(&n->shares, *ret, clock_mono_us()))
		return -EAGAIN;
	r = namespaces_room(n, *ret);
	n->is_short |= r < 0;
	return r;
}

/* The namespace that a process is in becomes one of ours, if it may. */
static int look(struct namespaces *n, const struct look *l)
{
	_cleanup_close_ int fd = -EBADF;
	struct namespace *ns;
	uint64_t share, cookie;
	int r;

	r = share_of(n, l, &share);
	if (r == 0)
		r = open_netns(l, &fd);
	if (r == 0)
		r = dataplane_netns_cookie(fd, &cookie);
	if (r < 0)
		return r;
	/* It has gone elsewhere since. */
	if (cookie == n->home || (l->expected && cookie != l->expected) ||
	    namespaces_by_cookie(n, cookie))
		return -ESRCH;
	ns = namespaces_put(n, cookie, TAKE_FD(fd));
	if (!ns)
		return -ENOMEM;
	ns->share = share;
	ns->witness.tgid = l->tgid;
	ns->witness.tid = l->tid;
	ns->witness.start_ns = l->start_ns;
	look_for_dns(n, ns, l->dir);
	try_open(n, ns);
	end_old(n, ns);
	return 0;
}

static int find(struct namespaces *n, const struct eg_flow *flow)
{
	_cleanup_close_ int dir = -EBADF;
	struct look l = { .tgid = (pid_t)flow->tgid,
			  .tid = (pid_t)flow->tid,
			  .start_ns = flow->start_ns,
			  .expected = flow->netns,
			  .is_asked = true };

	if (!shares_take_any(&n->shares, clock_mono_us()))
		return -EAGAIN;
	dir = process_open("/proc", l.tgid, l.start_ns);
	if (dir < 0)
		return -ESRCH;
	l.dir = dir;
	return look(n, &l);
}

static void census_soon(struct namespaces *n)
{
	if (n->is_soon || census_is_running(n->census))
		return;
	n->is_soon = true;
	timer_start(&n->next, n->opts.loop, SOON_US, n->next.on_time);
}

const char *namespaces_seen(struct namespaces *n, const struct eg_flow *flow)
{
	bool is_ipv6 = flow->family == AF_INET6 && !(flow->flags & EG_FLOW_MAPPED);
	struct namespace *ns = namespaces_by_cookie(n, flow->netns);
	int r = 0;

	if (flow->netns == n->home)
		return "see `egret check` for why there is none";
	if (ns)
		try_open(n, ns);
	else
		r = find(n, flow);
	/* Perhaps others have left room. */
	if (r == -EMFILE || r == -EDQUOT)
		census_soon(n);
	if (r == 0)
		ns = namespaces_by_cookie(n, flow->netns);
	return namespace_advice(r < 0 || !ns ? r : ns->family[is_ipv6].error);
}

/* ---- all processes ---- */

static bool is_enforced(struct namespaces *n, int dir)
{
	char path[CGROUPFS_PATH_MAX];

	return process_cgroup(dir, path, sizeof(path)) == 0 &&
	       shares_is_enforced(&n->shares, slice_str(path));
}

/* Vault and recorder have namespaces of their own, and nothing in them. */
static bool is_child(const struct namespaces *n, pid_t pid)
{
	for (size_t i = 0; i < children_count(n->opts.children); i++)
		if (child_pid(children_at(n->opts.children, i)) == pid)
			return true;
	return false;
}

static void on_process(void *ctx, pid_t pid, uint64_t ino)
{
	struct namespaces *n = ctx;
	_cleanup_close_ int dir = -EBADF;
	struct namespace *ns;

	if (ino == n->home_ino)
		return;
	ns = namespaces_by_ino(n, ino);
	if (ns ? ns->is_seen && !own_dns_wants(&ns->own_dns, pid) : is_child(n, pid))
		return;
	dir = process_open("/proc", pid, 0);
	if (dir < 0)
		return;
	if (!ns) {
		struct look l = { .dir = dir, .tgid = pid };

		if (process_start(dir, &l.start_ns) == 0)
			(void)!look(n, &l);
		return;
	}
	if (is_enforced(n, dir)) {
		ns->is_seen = true;
		look_for_dns(n, ns, dir);
	}
}

/* Also where only one thread of a process is. */
static bool is_witnessed(struct namespaces *n, struct namespace *ns)
{
	_cleanup_close_ int dir = process_open("/proc", ns->witness.tgid, ns->witness.start_ns);
	uint64_t ino;

	if (dir < 0 || census_netns(dir, ns->witness.tid, &ino) < 0 || ino != ns->ino ||
	    !is_enforced(n, dir))
		return false;
	look_for_dns(n, ns, dir);
	return true;
}

static void warn(struct namespaces *n)
{
	if (n->is_short)
		warnings_set(n->opts.warnings, "namespaces",
			     "`limits.namespaces` of egret.json (%u, of which a quarter for one "
			     "cgroup) is reached: governed connections from further network "
			     "namespaces are refused",
			     n->opts.max);
	else
		warnings_clear(n->opts.warnings, "namespaces");
	n->is_short = false;
}

static void on_census(void *ctx)
{
	struct namespaces *n = ctx;
	uint64_t now = clock_mono_us(), grace = n->is_short ? GRACE_SHORT_US : GRACE_US;
	struct namespace *ns, *next;

	for (ns = TAILQ_FIRST(&n->all); ns; ns = next) {
		next = TAILQ_NEXT(ns, all);
		if (ns->is_seen || is_witnessed(n, ns)) {
			ns->empty_us = 0;
			if (own_dns_end(&ns->own_dns))
				namespaces_tell_dns(n, ns);
		} else if (ns->empty_us == 0) {
			ns->empty_us = now;
		} else if (now - ns->empty_us >= grace) {
			namespaces_drop(n, ns);
		}
	}
	backstop_settle(n->backstop);
	warn(n);
	timer_start(&n->next, n->opts.loop, n->pause_us, n->next.on_time);
	n->pause_us = n->pause_us * 2 < CENSUS_US ? n->pause_us * 2 : CENSUS_US;
}

static void on_next(struct timer *t)
{
	struct namespaces *n = container_of(t, struct namespaces, next);
	struct namespace *ns;

	n->is_soon = false;
	TAILQ_FOREACH(ns, &n->all, all)
	{
		ns->is_seen = false;
		own_dns_begin(&ns->own_dns);
		if (!ns->family[0].is_open || !ns->family[1].is_open)
			try_open(n, ns);
	}
	census_start(n->census);
}

/* A container is being made, and who will be in it comes within moments. */
static void on_stranger(void *ctx)
{
	struct namespaces *n = ctx;

	n->pause_us = SOON_US;
	census_soon(n);
}

/* ---- life ---- */

static int find_home(struct namespaces *n)
{
	_cleanup_close_ int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	n->home_ino = st.st_ino;
	return dataplane_netns_cookie(fd, &n->home);
}

int namespaces_new(const struct namespaces_opts *o, struct diag *d, struct namespaces **ret)
{
	struct namespaces *n = calloc(1, sizeof(*n));
	struct backstop_opts bo = { .loop = o->loop,
				    .dp = o->dp,
				    .warnings = o->warnings,
				    .on_stranger = on_stranger,
				    .ctx = n };
	int r;

	if (!n)
		return -ENOMEM;
	n->opts = *o;
	n->shares.fs.mount_fd = -EBADF;
	TAILQ_INIT(&n->all);
	r = shares_open(&n->shares, dataplane_cgroup(o->dp));
	bo.is_whole = shares_is_whole(&n->shares);
	if (r == 0)
		r = find_home(n);
	if (r == 0)
		r = census_new(o->loop, on_process, on_census, n, &n->census);
	if (r == 0)
		r = backstop_new(&bo, &n->backstop);
	if (r < 0) {
		(void)diag_at(d, 0, 0, "cannot look after network namespaces: %s", strerror(-r));
		(void)namespaces_free(n);
		return r;
	}
	n->pause_us = CENSUS_US;
	timer_start(&n->next, o->loop, 0, on_next);
	*ret = n;
	return 0;
}

struct namespaces *namespaces_free(struct namespaces *n)
{
	struct namespace *ns;

	if (!n)
		return NULL;
	timer_stop(&n->next);
	n->census = census_free(n->census);
	n->backstop = backstop_free(n->backstop);
	while ((ns = TAILQ_FIRST(&n->all))) {
		TAILQ_REMOVE(&n->all, ns, all);
		(void)namespace_free(ns);
	}
	shares_close(&n->shares);
	free(n);
	return NULL;
}
