/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/outlet.h"

#include <sys/socket.h>

#include "egret/rpc.h"
#include "event/channel.h"
#include "proxy/state.h"
#include "upstream/address.h"
#include "upstream/pool.h"

#define ANSWER_US 5000000u

/* Outlives whoever asks: an answer may hold a descriptor. */
struct outlet_call {
	struct outlet *outlet; /* NULL: nobody waits any more */
};

static void on_answer(void *ctx, struct msg *m)
{
	struct outlet_call *call = ctx;
	struct outlet *o = call->outlet;
	int fd = -ENETUNREACH;

	free(call);
	if (!o)
		return; /* the message's descriptors end with it */
	o->call = NULL;
	if (m && m->type == EG_MSG_sockets && m->n_fds == 1)
		fd = TAKE_FD(m->fds[0]);
	o->fn(o, fd);
}

static void ask(struct outlet *o, struct worker *w, const struct eg_flow *flow, int family)
{
	struct eg_sockets want = { .family = (uint32_t)family, .count = 1, .netns = flow->netns };
	struct outlet_call *call = calloc(1, sizeof(*call));

	/* What one workload learned for itself, the backstop does not know. */
	want.is_governed = flow->provider && !(flow->flags & EG_FLOW_LEARNED);
	if (!call) {
		o->fn(o, -ENOMEM);
		return;
	}
	call->outlet = o;
	o->call = call;
	if (channel_call(w->monitor, EG_MSG_sockets, &want, sizeof(want), NULL, 0, NULL, 0,
			 ANSWER_US, on_answer, call) < 0) {
		free(call);
		o->call = NULL;
		o->fn(o, -EPIPE);
	}
}

static void on_stock(struct stock_wait *wait, int fd)
{
	struct outlet *o = container_of(wait, struct outlet, wait);

	o->fn(o, fd);
}

void outlet_get(struct outlet *o, struct worker *w, const struct eg_flow *flow, outlet_fn fn)
{
	int family = address_is4(&flow->dst) ? AF_INET : AF_INET6;

	*o = (struct outlet){ .fn = fn };
	if (flow->netns == w->netns)
		upstream_await_socket(w->upstream, family, &o->wait, on_stock);
	else
		ask(o, w, flow, family);
}

void outlet_cancel(struct outlet *o)
{
	stock_cancel(&o->wait);
	if (o->call)
		o->call->outlet = NULL;
	o->call = NULL;
}
