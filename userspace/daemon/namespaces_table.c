/* SPDX-License-Identifier: Apache-2.0 */
/* The namespaces there are: kept, found again, handed to workers, shown. */
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "daemon/backstop.h"
#include "daemon/children.h"
#include "daemon/namespace.h"
#include "daemon/namespaces_private.h"
#include "dataplane/dataplane.h"
#include "egret/rpc.h"

struct namespace *namespaces_by_cookie(const struct namespaces *n, uint64_t cookie)
{
	struct namespace *ns;

	LIST_FOREACH(ns, &n->by_cookie[cookie % NAMESPACES_BUCKETS], by_cookie)
	{
		if (ns->cookie == cookie)
			return ns;
	}
	return NULL;
}

struct namespace *namespaces_by_ino(const struct namespaces *n, uint64_t ino)
{
	struct namespace *ns;

	LIST_FOREACH(ns, &n->by_ino[ino % NAMESPACES_BUCKETS], by_ino)
	{
		if (ns->ino == ino)
			return ns;
	}
	return NULL;
}

void namespaces_tell(struct namespaces *n, const struct namespace *ns, unsigned families)
{
	const struct eg_listener drop = { .netns = ns->cookie };
	unsigned n_workers = children_workers(n->opts.children);

	for (unsigned i = 0; i < n_workers; i++) {
		struct child *w = children_worker(n->opts.children, i);
		int r;

		if (!child_channel(w))
			continue;
		r = families ? namespace_send(ns, families, child_channel(w), i, n_workers)
			     : channel_send(child_channel(w), EG_MSG_listener_drop, &drop,
					    sizeof(drop), NULL, 0);
		/* Its successor is told. */
		if (r < 0)
			child_kill(w);
	}
}

void namespaces_tell_dns(struct namespaces *n, const struct namespace *ns)
{
	struct eg_addr addr[EG_OWN_DNS_MAX];
	unsigned n_addr = own_dns_servers(&ns->own_dns, addr);
	int r = dataplane_own_dns_set(n->opts.dp, ns->cookie, addr, n_addr);

	if (r < 0)
		log_warn_limited("cannot tell the kernel which resolvers a network namespace has: "
				 "%s: addresses of providers are not learned from its DNS answers",
				 strerror(-r));
}

struct namespace *namespaces_put(struct namespaces *n, uint64_t cookie, int netns_fd)
{
	unsigned n_workers = children_workers(n->opts.children);
	struct namespace *ns = namespace_new(cookie, netns_fd);
	struct stat st;

	if (!ns)
		return NULL;
	ns->ino = fstat(netns_fd, &st) == 0 ? st.st_ino : 0;
	ns->number = ++n->last;
	ns->first = (unsigned)(ns->number % n_workers);
	ns->n = n_workers < NAMESPACE_GROUP ? n_workers : NAMESPACE_GROUP;
	ns->is_seen = true;
	TAILQ_INSERT_TAIL(&n->all, ns, all);
	LIST_INSERT_HEAD(&n->by_cookie[cookie % NAMESPACES_BUCKETS], ns, by_cookie);
	LIST_INSERT_HEAD(&n->by_ino[ns->ino % NAMESPACES_BUCKETS], ns, by_ino);
	n->n++;
	backstop_add(n->backstop, cookie, ns->fd);
	return ns;
}

void namespaces_drop(struct namespaces *n, struct namespace *ns)
{
	log_debug("network namespace is empty: netns=%llu", (unsigned long long)ns->cookie);
	namespaces_tell(n, ns, 0);
	dataplane_netns_forget(n->opts.dp, ns->cookie);
	(void)!dataplane_own_dns_set(n->opts.dp, ns->cookie, NULL, 0);
	backstop_drop(n->backstop, ns->cookie);
	TAILQ_REMOVE(&n->all, ns, all);
	LIST_REMOVE(ns, by_cookie);
	LIST_REMOVE(ns, by_ino);
	n->n--;
	(void)namespace_free(ns);
}

int namespaces_room(const struct namespaces *n, uint64_t share)
{
	unsigned of_share = 0, share_max = (n->opts.max + 3) / 4;
	struct namespace *ns;

	TAILQ_FOREACH(ns, &n->all, all)
	{
		of_share += ns->share == share;
	}
	if (n->n < n->opts.max && of_share < share_max)
		return 0;
	return n->n >= n->opts.max ? -EMFILE : -EDQUOT;
}

/* ---- what others ask ---- */

pid_t namespaces_whose(const struct namespaces *n, uint64_t netns)
{
	const struct namespace *ns = namespaces_by_cookie(n, netns);

	return ns ? ns->witness.tgid : 0;
}

int namespaces_fd(const struct namespaces *n, uint64_t netns, int *ret_fd)
{
	const struct namespace *ns = namespaces_by_cookie(n, netns);

	if (!ns && netns != n->home)
		return -ENOENT;
	*ret_fd = ns ? ns->fd : -1;
	return 0;
}

int namespaces_outlet(const struct namespaces *n, uint64_t netns, bool is_governed, int *ret_fd)
{
	int r = namespaces_fd(n, netns, ret_fd);

	if (r == 0 && is_governed && backstop_guards(n->backstop, netns))
		*ret_fd = -1;
	return r;
}

int namespaces_send(const struct namespaces *n, struct channel *ch, unsigned index)
{
	unsigned n_workers = children_workers(n->opts.children);
	struct namespace *ns;
	int r = 0;

	TAILQ_FOREACH(ns, &n->all, all)
	{
		if (r == 0)
			r = namespace_send(ns, ~0u, ch, index, n_workers);
	}
	return r;
}

int namespaces_next(const struct namespaces *n, uint64_t *cursor)
{
	struct namespace *ns;

	TAILQ_FOREACH(ns, &n->all, all)
	{
		if (ns->number > *cursor) {
			*cursor = ns->number;
			return ns->fd;
		}
	}
	return -ENOENT;
}

static const char *advice_of(const struct namespace *ns)
{
	if (!ns->family[0].is_open)
		return namespace_advice(ns->family[0].error);
	return namespace_is_up(ns) ? "" : namespace_advice(-EADDRNOTAVAIL);
}

int namespaces_each(struct namespaces *n, namespaces_fn fn, void *ctx)
{
	struct backstop_counts b;
	struct namespace *ns;
	int r = 0;

	TAILQ_FOREACH(ns, &n->all, all)
	{
		struct namespaces_state state = { .netns = ns->cookie,
						  .ino = ns->ino,
						  .cgroup = ns->share,
						  .pid = ns->witness.tgid,
						  .has_ipv4 = ns->family[0].is_open,
						  .has_ipv6 = ns->family[1].is_open,
						  .advice = advice_of(ns),
						  .own_dns = &ns->own_dns };

		if (r != 0)
			break;
		backstop_counts_of(n->backstop, ns->cookie, &b);
		state.devices = b.devices;
		state.dropped = b.dropped;
		r = fn(ctx, &state);
	}
	return r;
}

void namespaces_count(struct namespaces *n, struct namespaces_counts *ret)
{
	struct backstop_counts b;
	struct namespace *ns;

	backstop_counts(n->backstop, &b);
	*ret = (struct namespaces_counts){ .held = n->n,
					   .max = n->opts.max,
					   .has_backstop = b.is_able,
					   .devices = b.devices,
					   .dropped = b.dropped };
	TAILQ_FOREACH(ns, &n->all, all)
	{
		ret->served += namespace_is_up(ns);
	}
}

/* ---- from one generation to the next ---- */

static json_t *pack_fds(const struct namespace *ns, unsigned family)
{
	json_t *list = json_array();

	for (unsigned i = 0; ns->family[family].is_open && i < ns->n; i++)
		(void)json_array_append_new(list, json_integer(ns->family[family].fd[i]));
	return list;
}

json_t *namespaces_hand_over(const struct namespaces *n)
{
	json_t *list = json_array();
	struct namespace *ns;

	TAILQ_FOREACH(ns, &n->all, all)
	{
		json_t *one = json_pack("{sI si sI sI si si sI so so}", "cookie",
					(json_int_t)ns->cookie, "fd", ns->fd, "share",
					(json_int_t)ns->share, "first", (json_int_t)ns->first,
					"pid", (int)ns->witness.tgid, "tid", (int)ns->witness.tid,
					"start_ns", (json_int_t)ns->witness.start_ns, "v4",
					pack_fds(ns, 0), "v6", pack_fds(ns, 1));

		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static bool take_fds(struct dataplane *dp, struct namespace *ns, unsigned family,
		     const json_t *list)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return true;
	if (n > NAMESPACE_GROUP || (ns->family[0].is_open && n != ns->n))
		return false;
	ns->n = (unsigned)n;
	for (size_t i = 0; i < n; i++) {
		ns->family[family].fd[i] = (int)json_integer_value(json_array_get(list, i));
		/* Their stamps went with the map, if that did. */
		if (dataplane_stamp(dp, ns->family[family].fd[i]) < 0)
			return false;
	}
	ns->family[family].is_open = true;
	return true;
}

static int take_one(struct namespaces *n, json_t *v)
{
	json_int_t cookie, share, first, start_ns;
	int fd, pid, tid;
	struct namespace *ns;
	json_t *v4, *v6;

	if (json_unpack(v, "{s:I s:i s:I s:I s:i s:i s:I s:o s:o !}", "cookie", &cookie, "fd", &fd,
			"share", &share, "first", &first, "pid", &pid, "tid", &tid, "start_ns",
			&start_ns, "v4", &v4, "v6", &v6) < 0)
		return -EPROTO;
	ns = namespaces_put(n, (uint64_t)cookie, fd);
	if (!ns)
		return -ENOMEM;
	ns->share = (uint64_t)share;
	ns->first = (unsigned)first;
	ns->witness.tgid = pid;
	ns->witness.tid = tid;
	ns->witness.start_ns = (uint64_t)start_ns;
	if (!take_fds(n->opts.dp, ns, 0, v4) || !take_fds(n->opts.dp, ns, 1, v6))
		return -EPROTO;
	return namespace_is_up(ns) ? dataplane_netns_note(n->opts.dp, ns->cookie) : 0;
}

int namespaces_take(struct namespaces *n, const json_t *list)
{
	json_t *v;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, v) if (r == 0) r = take_one(n, v);
	return r;
}
