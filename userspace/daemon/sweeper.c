/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sweeper.h"

#include <string.h>

#include "base/log.h"
#include "daemon/namespaces.h"
#include "dataplane/dataplane.h"

#define SOON_US	 200000u /* names resolve in bursts: one sweep for many */
#define PAUSE_US 1000u /* between two namespaces */

struct sweeper {
	struct loop *loop;
	struct dataplane *dp;
	const struct namespaces *namespaces; /* or NULL */
	uint64_t cursor; /* among them */
	bool by_modes, is_by_modes; /* asked for; and in the sweep under way */
	struct timer soon, next;
};

static void sweep(struct sweeper *s, int netns_fd)
{
	int n = dataplane_sweep(s->dp, netns_fd, s->is_by_modes);

	if (n > 0)
		log_info("ended connections that were older than enforcement%s: %d",
			 s->is_by_modes ? ", or than the policy that denies them" : "", n);
	else if (n < 0)
		log_warn_limited(
			"connections older than enforcement cannot be ended: %s: they hang "
			"until their own timeout, and send nothing",
			strerror(-n));
}

static void on_next(struct timer *t)
{
	struct sweeper *s = container_of(t, struct sweeper, next);
	int fd = s->namespaces ? namespaces_next(s->namespaces, &s->cursor) : -ENOENT;

	if (fd < 0)
		return;
	sweep(s, fd);
	timer_start(t, s->loop, PAUSE_US, on_next);
}

static void on_soon(struct timer *t)
{
	struct sweeper *s = container_of(t, struct sweeper, soon);

	/* One that is under way ends here, what it had left belongs to this one. */
	s->is_by_modes = s->by_modes || (timer_is_running(&s->next) && s->is_by_modes);
	s->by_modes = false;
	sweep(s, -1);
	s->cursor = 0;
	timer_start(&s->next, s->loop, PAUSE_US, on_next);
}

int sweeper_new(struct loop *l, struct dataplane *dp, struct sweeper **ret)
{
	struct sweeper *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->dp = dp;
	*ret = s;
	return 0;
}

struct sweeper *sweeper_free(struct sweeper *s)
{
	if (s) {
		timer_stop(&s->soon);
		timer_stop(&s->next);
	}
	free(s);
	return NULL;
}

void sweeper_set_namespaces(struct sweeper *s, const struct namespaces *n)
{
	s->namespaces = n;
}

void sweeper_soon(struct sweeper *s)
{
	if (!timer_is_running(&s->soon))
		timer_start(&s->soon, s->loop, SOON_US, on_soon);
}

void sweeper_modes(struct sweeper *s)
{
	s->by_modes = true;
	sweeper_soon(s);
}
