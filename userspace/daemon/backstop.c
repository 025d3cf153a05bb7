/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/backstop.h"

#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"
#include "dataplane/rtnl.h"
#include "dataplane/veth.h"

#define DRAIN_MAX 64u /* datagrams a turn of the loop */
#define AGAIN_US  100000u /* after a listing that broke off */
#define RETRY_US  2000000u /* after a device that could not be had */

/* A namespace of workloads. */
struct space {
	uint64_t netns;
	int32_t nsid;
	LIST_ENTRY(space) link;
};

/* One end of a pair, the other being elsewhere. */
struct device {
	uint32_t ifindex;
	int32_t nsid;
	bool is_listed; /* while listing: it is still there */
	LIST_ENTRY(device) link;
};

struct backstop {
	struct backstop_opts opts;
	struct rtnl *rtnl;
	struct io io;
	struct timer again;
	bool is_able, is_settled;
	bool has_failed; /* in this round over all devices */
	LIST_HEAD(, space) spaces;
	LIST_HEAD(, device) devices;
};

static struct space *find_nsid(const struct backstop *b, int32_t nsid)
{
	struct space *s;

	LIST_FOREACH(s, &b->spaces, link)
	{
		if (s->nsid == nsid)
			return s;
	}
	return NULL;
}

static struct device *find_device(const struct backstop *b, uint32_t ifindex)
{
	struct device *d;

	LIST_FOREACH(d, &b->devices, link)
	{
		if (d->ifindex == ifindex)
			return d;
	}
	return NULL;
}

static void on_again(struct timer *t);

static void attach(struct backstop *b, uint32_t ifindex, uint64_t netns)
{
	int r = veth_attach(b->opts.dp, ifindex, netns);

	if (r == 0 || r == -ENODEV)
		return;
	b->has_failed = true;
	warnings_set(b->opts.warnings, "backstop",
		     "the backstop cannot be attached to device %u: %s: raw packets from the "
		     "network namespace behind it are not stopped",
		     ifindex, strerror(-r));
	if (!timer_is_running(&b->again))
		timer_start(&b->again, b->opts.loop, RETRY_US, on_again);
}

static void detach(struct backstop *b, uint32_t ifindex)
{
	int r = veth_detach(b->opts.dp, ifindex);

	if (r < 0)
		log_warn_limited("the backstop cannot be taken from device %u: %s", ifindex,
				 strerror(-r));
}

/* Brings a device to where it should be. Returns whether its namespace is known. */
static bool decide(struct backstop *b, const struct device *d)
{
	const struct space *s = find_nsid(b, d->nsid);

	if (s || b->opts.is_whole)
		attach(b, d->ifindex, s ? s->netns : 0);
	else if (b->is_settled)
		detach(b, d->ifindex);
	return s;
}

static void forget(struct backstop *b, struct device *d)
{
	detach(b, d->ifindex);
	LIST_REMOVE(d, link);
	free(d);
}

static struct device *know(struct backstop *b, uint32_t ifindex)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d) {
		log_warn_limited("no memory to know device %u", ifindex);
		return NULL;
	}
	d->ifindex = ifindex;
	d->nsid = -1;
	LIST_INSERT_HEAD(&b->devices, d, link);
	return d;
}

static void on_link(void *ctx, const struct rtnl_link *link)
{
	struct backstop *b = ctx;
	struct device *d = find_device(b, link->ifindex);
	bool has_moved;

	if (!link->is_pair || link->peer_nsid < 0 || link->is_gone) {
		if (d)
			forget(b, d);
		return;
	}
	d = d ? d : know(b, link->ifindex);
	if (!d)
		return;
	has_moved = d->nsid != link->peer_nsid;
	d->nsid = link->peer_nsid;
	d->is_listed = true;
	if (!decide(b, d) && has_moved)
		b->opts.on_stranger(b->opts.ctx);
}

static int list_all(struct backstop *b)
{
	struct device *d, *next;
	int r;

	LIST_FOREACH(d, &b->devices, link)
	{
		d->is_listed = false;
	}
	r = rtnl_list(b->rtnl, on_link, b);
	if (r < 0)
		return r;
	for (d = LIST_FIRST(&b->devices); d; d = next) {
		next = LIST_NEXT(d, link);
		if (!d->is_listed)
			forget(b, d);
	}
	return 0;
}

static void on_again(struct timer *t)
{
	struct backstop *b = container_of(t, struct backstop, again);
	int r;

	b->has_failed = false;
	r = list_all(b);
	if (r == 0) {
		if (!b->has_failed)
			warnings_clear(b->opts.warnings, "backstop");
		return;
	}
	if (r != -EINTR)
		log_warn_limited("network devices cannot be listed: %s", strerror(-r));
	timer_start(t, b->opts.loop, AGAIN_US, on_again);
}

static void on_readable(struct io *io, int events)
{
	struct backstop *b = container_of(io, struct backstop, io);
	int r = rtnl_drain(b->rtnl, DRAIN_MAX, on_link, b);

	(void)events;
	/* Some were lost: all are looked at again. */
	if (r < 0 && !timer_is_running(&b->again))
		timer_start(&b->again, b->opts.loop, 0, on_again);
}

int backstop_new(const struct backstop_opts *o, struct backstop **ret)
{
	struct backstop *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->opts = *o;
	b->is_able = veth_probe(o->dp) == 0;
	if (b->is_able) {
		r = rtnl_open(&b->rtnl);
		if (r < 0) {
			(void)backstop_free(b);
			return r;
		}
		io_start(&b->io, o->loop, rtnl_fd(b->rtnl), IO_READ, on_readable);
		timer_start(&b->again, o->loop, 0, on_again);
	}
	*ret = b;
	return 0;
}

struct backstop *backstop_free(struct backstop *b)
{
	struct device *d;
	struct space *s;

	if (!b)
		return NULL;
	io_stop(&b->io);
	timer_stop(&b->again);
	while ((d = LIST_FIRST(&b->devices))) {
		LIST_REMOVE(d, link);
		free(d);
	}
	while ((s = LIST_FIRST(&b->spaces))) {
		LIST_REMOVE(s, link);
		free(s);
	}
	(void)rtnl_close(b->rtnl);
	free(b);
	return NULL;
}

static void decide_all(struct backstop *b, int32_t nsid)
{
	struct device *d;

	LIST_FOREACH(d, &b->devices, link)
	{
		if (d->nsid == nsid)
			(void)decide(b, d);
	}
}

void backstop_add(struct backstop *b, uint64_t netns, int netns_fd)
{
	struct space *s;
	int r;

	if (!b->is_able)
		return;
	s = calloc(1, sizeof(*s));
	r = s ? rtnl_nsid(b->rtnl, netns_fd, &s->nsid) : -ENOMEM;
	if (r < 0) {
		warnings_set(
			b->opts.warnings, "backstop",
			"a network namespace cannot be found among the host's devices: %s: raw "
			"packets from it are not stopped",
			strerror(-r));
		free(s);
		return;
	}
	s->netns = netns;
	LIST_INSERT_HEAD(&b->spaces, s, link);
	decide_all(b, s->nsid);
}

void backstop_drop(struct backstop *b, uint64_t netns)
{
	struct space *s;

	LIST_FOREACH(s, &b->spaces, link)
	{
		if (s->netns == netns)
			break;
	}
	if (!s)
		return;
	LIST_REMOVE(s, link);
	decide_all(b, s->nsid);
	free(s);
}

static int drop_stranger(void *ctx, const struct veth_state *state)
{
	struct backstop *b = ctx;
	const struct device *d = find_device(b, state->ifindex);

	if (!d || !(b->opts.is_whole || find_nsid(b, d->nsid)))
		detach(b, state->ifindex);
	return 0;
}

void backstop_settle(struct backstop *b)
{
	if (b->is_settled || !b->is_able || timer_is_running(&b->again))
		return;
	b->is_settled = true;
	(void)!veth_each(b->opts.dp, drop_stranger, b);
}

bool backstop_guards(const struct backstop *b, uint64_t netns)
{
	const struct device *d;
	const struct space *s;

	LIST_FOREACH(d, &b->devices, link)
	{
		s = find_nsid(b, d->nsid);
		if (s && s->netns == netns)
			return true;
	}
	return false;
}

struct counting {
	uint64_t netns; /* 0: all */
	struct backstop_counts *to;
};

static int count(void *ctx, const struct veth_state *state)
{
	struct counting *c = ctx;

	if (c->netns && state->netns != c->netns)
		return 0;
	c->to->devices++;
	c->to->dropped += state->dropped;
	return 0;
}

void backstop_counts_of(struct backstop *b, uint64_t netns, struct backstop_counts *ret)
{
	struct counting c = { netns, ret };

	*ret = (struct backstop_counts){ .is_able = b->is_able };
	(void)!veth_each(b->opts.dp, count, &c);
}

void backstop_counts(struct backstop *b, struct backstop_counts *ret)
{
	backstop_counts_of(b, 0, ret);
}
