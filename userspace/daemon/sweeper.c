/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sweeper.h"

#include <string.h>

#include "base/log.h"
#include "dataplane/dataplane.h"

#define SOON_US 200000u /* names resolve in bursts: one sweep for many */

struct sweeper {
	struct loop *loop;
	struct dataplane *dp;
	struct timer soon;
};

static void on_soon(struct timer *t)
{
	struct sweeper *s = container_of(t, struct sweeper, soon);
	int n = dataplane_sweep(s->dp, -1);

	if (n > 0)
		log_info("ended connections to governed addresses that were older than "
			 "enforcement: %d",
			 n);
	else if (n < 0)
		log_warn_limited(
			"connections older than enforcement cannot be ended: %s: they hang "
			"until their own timeout, and send nothing",
			strerror(-n));
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
	if (s)
		timer_stop(&s->soon);
	free(s);
	return NULL;
}

void sweeper_soon(struct sweeper *s)
{
	if (!timer_is_running(&s->soon))
		timer_start(&s->soon, s->loop, SOON_US, on_soon);
}
