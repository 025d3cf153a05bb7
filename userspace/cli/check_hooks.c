/* SPDX-License-Identifier: Apache-2.0 */
/* egret check: what is really attached, who else is there, and who listens on egret's port. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/check.h"
#include "cli/pinned.h"
#include "dataplane/cgroup.h"
#include "egret/abi.h"

struct looked {
	struct check *check;
	unsigned attached, missing;
	char names[256]; /* of the missing */
	int error; /* noted while rows were made */
};

/* The same rival is usually on many hooks, but each is a place where it may decide otherwise. */
static int on_hook(void *ctx, const struct inspect_hook *h)
{
	struct looked *l = ctx;
	size_t n = strlen(l->names);

	if (h->attached) {
		l->attached++;
	} else {
		l->missing++;
		(void)snprintf(l->names + n, sizeof(l->names) - n, "%s%s", n ? ", " : "", h->name);
	}
	for (unsigned i = 0; l->error == 0 && i < h->n_rivals && i < ARRAY_SIZE(h->rival); i++)
		l->error =
			check_row(l->check, "rival", CHECK_WARN,
				  "find out whose it is with `bpftool cgroup tree`: it may refuse "
				  "or rewrite what egret allowed",
				  "program %s (id %u) is on the same hook as %s",
				  h->rival[i].name[0] ? h->rival[i].name : "without a name",
				  h->rival[i].id, h->name);
	return l->error;
}

static int say(struct check *c, const struct looked *l, const char *cgroup)
{
	if (l->missing == 0)
		return check_row(c, "hooks attached", CHECK_OK, NULL, "all %u are attached to %s",
				 l->attached, cgroup);
	return check_row(c, "hooks attached", CHECK_FAIL,
			 l->attached ? "restart egretd: it attaches what is missing"
				     : "start egretd: until then nothing is enforced",
			 "%u of %u are not attached to %s: %s", l->missing,
			 l->attached + l->missing, cgroup, l->names);
}

/* As the daemon says, else as the pins say, else the mount: where it would be. */
static int find_cgroup(const struct check *c, const struct inspect *in, char *to, size_t size)
{
	char mount[256];
	int r;

	if (c->cgroup[0])
		return slice_copy(slice_str(c->cgroup), to, size) ? 0 : -EINVAL;
	r = cgroup_mount(mount, sizeof(mount));
	if (r < 0)
		return r;
	if (in && pinned_cgroup(in, mount, to, size) == 0)
		return 0;
	return slice_copy(slice_str(mount), to, size) ? 0 : -EINVAL;
}

int check_hooks(struct check *c)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	struct looked l = { .check = c };
	struct diag d = { 0 };
	char dir[256], cgroup[256];
	int r;

	if (!cli_path(c->cli, "bpf", dir, sizeof(dir)))
		return cli_usage(c->cli, "--run-dir: the path is too long");
	r = inspect_open(dir, &d, &in);
	if (r < 0 && r != -ENOENT)
		return check_row(c, "hooks attached", geteuid() == 0 ? CHECK_FAIL : CHECK_WARN,
				 geteuid() == 0 ? NULL : "run `egret check` as root",
				 "cannot read the pins in %s: %s", dir,
				 d.text[0] ? d.text : strerror(-r));
	if (c->may_not_ask && !in)
		return check_row(c, "hooks attached", CHECK_WARN, "run `egret check` as root",
				 "only egretd knows which cgroup they are on");
	r = find_cgroup(c, in, cgroup, sizeof(cgroup));
	if (r < 0)
		return check_row(c, "hooks attached", CHECK_FAIL, NULL, "no cgroup to look at: %s",
				 strerror(-r));
	r = inspect_hooks(in, cgroup, on_hook, &l);
	if (l.error)
		return l.error;
	if (r < 0)
		return check_row(c, "hooks attached", geteuid() == 0 ? CHECK_FAIL : CHECK_WARN,
				 geteuid() == 0 ? NULL : "run `egret check` as root",
				 "cannot ask what is attached to %s: %s", cgroup, strerror(-r));
	return say(c, &l, cgroup);
}

/* ---- listeners of this network namespace ---- */

struct listener {
	unsigned found;
	unsigned uid;
};

/* A row of /proc/net/tcp: slot, local address:port, remote, state, ..., uid. */
static void find_listener(const char *path, struct listener *ret)
{
	FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned port, state, uid;

		if (sscanf(line, " %*u: %*[0-9A-F]:%x %*s %x %*s %*s %*s %u", &port, &state,
			   &uid) != 3 ||
		    port != EG_PROXY_PORT || state != 0x0a)
			continue;
		ret->found++;
		ret->uid = uid;
	}
	if (f)
		(void)fclose(f);
}

/* True also when this user may not know. */
static bool shares_netns(const struct check *c)
{
	char path[64];
	struct stat own, other;

	(void)snprintf(path, sizeof(path), "/proc/%lld/ns/net", c->daemon_pid);
	return stat("/proc/self/ns/net", &own) < 0 || stat(path, &other) < 0 ||
	       own.st_ino == other.st_ino;
}

static int check_listener(struct check *c, const char *name, const char *path)
{
	struct listener l = { 0 };
	bool is_there;

	find_listener(path, &l);
	if (l.found && l.uid != 0)
		return check_row(c, name, CHECK_FAIL, "find it with `ss -ltnp` and move it",
				 "port %d belongs to a process of user %u, not to egretd",
				 EG_PROXY_PORT, l.uid);
	is_there = c->has_daemon || c->may_not_ask;
	if (l.found)
		return check_row(c, name, is_there ? CHECK_OK : CHECK_WARN,
				 is_there ? NULL : "find it with `ss -ltnp`",
				 is_there ? "port %d" : "port %d is taken while egretd is away",
				 EG_PROXY_PORT);
	if (!c->has_daemon || !shares_netns(c))
		return check_row(
			c, name, CHECK_OK, NULL,
			"nothing listens on port %d in this network namespace%s", EG_PROXY_PORT,
			c->has_daemon ? ", which is not egretd's: it opens one for the first "
					"workload in it"
				      : "");
	return check_row(c, name, CHECK_FAIL, "see the log of egretd",
			 "nothing listens on port %d in this network namespace", EG_PROXY_PORT);
}

int check_listeners(struct check *c)
{
	int r = check_listener(c, "listener ipv4", "/proc/net/tcp");

	return r < 0 ? r : check_listener(c, "listener ipv6", "/proc/net/tcp6");
}
