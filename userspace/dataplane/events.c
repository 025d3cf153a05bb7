/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel events for the monitor's loop: an fd that becomes readable, a bounded drain. */
#include <bpf/libbpf.h>

#include "dataplane/state.h"

static int on_sample(void *ctx, void *data, size_t n)
{
	struct dataplane *dp = ctx;

	if (n >= sizeof(struct eg_event))
		dp->event_fn(dp->event_ctx, data);
	return ++dp->event_n < dp->event_max ? 0 : -ECANCELED;
}

int dataplane_events_fd(const struct dataplane *dp)
{
	return ring_buffer__epoll_fd(dp->events);
}

int dataplane_events_open(struct dataplane *dp)
{
	dp->events = ring_buffer__new(dp->in.map[PINS_eg_events], on_sample, dp, NULL);
	return dp->events ? 0 : -errno;
}

int dataplane_events_drain(struct dataplane *dp, unsigned max, dataplane_event_fn fn, void *ctx)
{
	int r;

	if (max == 0)
		return -EINVAL;
	dp->event_fn = fn;
	dp->event_ctx = ctx;
	dp->event_n = 0;
	dp->event_max = max;
	r = ring_buffer__consume(dp->events);
	return r < 0 && r != -ECANCELED ? r : (int)dp->event_n;
}
