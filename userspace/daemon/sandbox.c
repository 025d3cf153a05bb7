/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sandbox.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "egret/rpc.h"

#define LOCKED_MAX (64u << 20) /* bytes of keys and leases that may be locked */
#define LOCKED_MIN (4u << 20)

static int fail(struct diag *d, const char *action)
{
	int error = -errno;

	(void)diag_at(d, 0, 0, "cannot %s: %s", action, strerror(-error));
	return error;
}

static int set_limits(struct diag *d)
{
	const struct rlimit none = { 0, 0 }, locked = { LOCKED_MAX, LOCKED_MAX };
	struct rlimit given;

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return fail(d, "forbid core images");
	if (setrlimit(RLIMIT_MEMLOCK, &locked) == 0)
		return 0;
	/* Root without CAP_SYS_RESOURCE, as in a container: what it was given has to do. */
	if (getrlimit(RLIMIT_MEMLOCK, &given) < 0 || given.rlim_max < LOCKED_MIN)
		return fail(d, "lock memory for keys (raise LimitMEMLOCK= or ulimit -l to 4 MiB)");
	given.rlim_cur = given.rlim_max;
	return setrlimit(RLIMIT_MEMLOCK, &given) < 0 ? fail(d, "allow memory to be locked") : 0;
}

/* A worker keeps the network; nobody else has one. */
static int leave_namespaces(unsigned role, struct diag *d)
{
	int flags =
		CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (role == EG_WORKER ? 0 : CLONE_NEWNET);

	return unshare(flags) < 0 ? fail(d, "leave the host's namespaces") : 0;
}

static int change_root(const struct sandbox_opts *o, struct diag *d)
{
	_cleanup_close_ int fd = -EBADF;
	int root = o->root_fd;

	if (o->root) {
		fd = root = open(o->root, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return fail(d, "open the directory that becomes its root");
	}
	if (fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fail(d, "change its root directory");
	return 0;
}

static int change_user(const struct sandbox_opts *o, struct diag *d)
{
	if (setgroups(0, NULL) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
	    setresuid(o->uid, o->uid, o->uid) < 0)
		return fail(d, "change its user");
	return 0;
}

static int drop_capabilities(struct diag *d)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 ||
	    capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE)
		return fail(d, "drop its capabilities");
	return 0;
}

/* The bounding set, while there still is the capability to. */
static int drop_bounding(struct diag *d)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return fail(d, "drop its bounding set");
	return 0;
}

/* Changing the user has undone both of these: last. */
static int tie_to_parent(pid_t parent, struct diag *d)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(d, "make itself undumpable");
	if (getppid() != parent) {
		errno = ESRCH;
		return fail(d, "go on: the monitor is gone");
	}
	return 0;
}

int sandbox_confine(const struct sandbox_opts *o, struct diag *d)
{
	pid_t parent = getppid();
	int r;

	if (o->uid == 0 || o->gid == 0) {
		(void)diag_at(d, 0, 0, "cannot run a child as root");
		return -EINVAL;
	}
	(void)umask(077);
	r = set_limits(d);
	if (r == 0)
		r = leave_namespaces(o->role, d);
	if (r == 0)
		r = change_root(o, d);
	if (r == 0)
		r = drop_bounding(d);
	if (r == 0)
		r = change_user(o, d);
	if (r == 0)
		r = drop_capabilities(d);
	if (r == 0)
		r = tie_to_parent(parent, d);
	return r;
}
