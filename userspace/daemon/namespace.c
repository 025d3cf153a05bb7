/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/namespace.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/slice.h"
#include "dataplane/dataplane.h"
#include "egret/rpc.h"
#include "event/channel.h"

static const int families[] = { AF_INET, AF_INET6 };

struct namespace *namespace_new(uint64_t cookie, int netns_fd)
{
	struct namespace *ns = calloc(1, sizeof(*ns));

	if (!ns) {
		cleanup_close(&netns_fd);
		return NULL;
	}
	ns->cookie = cookie;
	ns->fd = netns_fd;
	return ns;
}

struct namespace *namespace_free(struct namespace *ns)
{
	if (!ns)
		return NULL;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (unsigned i = 0; ns->family[f].is_open && i < ns->n; i++)
			cleanup_close(&ns->family[f].fd[i]);
	cleanup_close(&ns->fd);
	free(ns);
	return NULL;
}

unsigned namespace_open(struct namespace *ns, struct dataplane *dp)
{
	unsigned came = 0;
	uint64_t cookie;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		if (ns->family[f].is_open)
			continue;
		ns->family[f].error =
			dataplane_listen(dp, ns->fd, families[f], ns->n, ns->family[f].fd, &cookie);
		ns->family[f].is_open = ns->family[f].error == 0;
		came |= ns->family[f].is_open ? 1u << f : 0;
	}
	/* Without IPv6 it will not be more: the kernel need not speak of it any longer. */
	if (namespace_is_up(ns))
		(void)!dataplane_netns_note(dp, ns->cookie);
	return came;
}

bool namespace_is_up(const struct namespace *ns)
{
	bool is_up = false;

	return ns->family[0].is_open && dataplane_loopback_up(ns->family[0].fd[0], &is_up) == 0 &&
	       is_up;
}

int namespace_send(const struct namespace *ns, unsigned wanted, struct channel *ch, unsigned index,
		   unsigned n_workers)
{
	unsigned own = (index + n_workers - ns->first % n_workers) % n_workers;
	int r = 0;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		const struct eg_listener body = { .family = (uint32_t)families[f],
						  .netns = ns->cookie };

		if (!ns->family[f].is_open || !(wanted & 1u << f))
			continue;
		/* There may be fewer workers than when it was opened. */
		for (unsigned i = own; r == 0 && i < ns->n; i += n_workers)
			r = channel_send(ch, EG_MSG_listener, &body, sizeof(body),
					 &ns->family[f].fd[i], 1);
	}
	return r;
}

const char *namespace_advice(int error)
{
	switch (error) {
	case 0:
		return "egret listens there now: connect again";
	case -EADDRNOTAVAIL:
		return "the namespace's loopback device is down, or has no IPv6: run `ip link set "
		       "lo up` "
		       "in it";
	case -EADDRINUSE:
		return "another process has port 15001 there: end it (ss -tlnp 'sport = 15001')";
	case -EMFILE:
		return "`limits.namespaces` of egret.json is reached";
	case -EDQUOT:
		return "its cgroup has a quarter of `limits.namespaces` of egret.json already";
	case -EAGAIN:
		return "too many namespaces at once: connect again in a moment";
	case -ESRCH:
		return "the process was gone, or in another namespace, before egret could look";
	default:
		return "egret cannot listen there: see its log";
	}
}
