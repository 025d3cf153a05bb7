/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/kept.h"

#include "proxy/exchange.h"
#include "proxy/share.h"
#include "proxy/state.h"

/* After it has grown: a buffer grows by steps, and only its size says what it takes. */
int kept_charge(struct exchange *x)
{
	size_t now = x->body.size + inspect_memory(&x->inspect);

	if (now < x->body_charged)
		share_give_body(x->w, x->caller->share, x->body_charged - now);
	else if (now > x->body_charged &&
		 !share_take_body(x->w, x->caller->share, now - x->body_charged))
		return -ENOBUFS;
	x->body_charged = now;
	return 0;
}

int kept_append(struct exchange *x, struct slice piece)
{
	int r = blocks_lend(&x->w->blocks, &x->body);

	if (r == 0)
		r = buf_append_slice(&x->body, piece);
	return r < 0 ? r : kept_charge(x);
}

int kept_replace(struct exchange *x, struct buf *body)
{
	kept_drop(x);
	x->body = *body;
	*body = (struct buf){ 0 };
	return kept_charge(x);
}

void kept_drop(struct exchange *x)
{
	if (x->body_charged)
		share_give_body(x->w, x->caller->share, x->body_charged);
	x->body_charged = 0;
	blocks_drop(&x->w->blocks, &x->body);
}
