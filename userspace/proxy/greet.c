/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/greet.h"

#include "proxy/conn.h"
#include "proxy/generation.h"
#include "proxy/passthrough.h"
#include "proxy/peek.h"
#include "proxy/state.h"
#include "upstream/pool.h"

/* How long a captured client may be silent before the server is asked to speak. */
#define SILENCE_MS 200u

/* The name was not looked for because of the address. */
static bool is_captured(const struct conn *c)
{
	return c->caller.flow.provider == 0;
}

static void pass(struct conn *c, bool holds)
{
	c->state = CONN_PASSTHROUGH;
	c->w->count.passed_through += !holds;
	if (passthrough_new(c, holds, &c->passthrough) < 0)
		conn_close(c, true);
}

/* Other names live at addresses of providers. Whoever may not reach such an address must not get
 * there by being taken for a provider's client; nor to a private one by the host's network, which
 * is how governed addresses may be dialled for others (outlet.h). */
static bool may_pass_on(struct conn *c)
{
	const struct eg_flow *f = &c->caller.flow;
	bool is_of_map = !is_captured(c) && !(f->flags & EG_FLOW_LEARNED);

	if (f->flags & EG_FLOW_DENIED) {
		conn_refuse(
			c, EG_REASON_k_egress_denied,
			"a name that is not governed, at an address of a provider: add the name "
			"and port to \"egress\".\"allow\" of the workload");
		return false;
	}
	if (!is_of_map || f->netns == c->w->netns || upstream_may_dial(c->w->upstream, &f->dst))
		return true;
	conn_refuse(c, EG_REASON_not_passed,
		    "the name is not governed, and the address a private one, which is not passed "
		    "on for other network namespaces");
	return false;
}

/* Whether the name is one to be passed through; else the connection has been dealt with. */
static bool judge_name(struct conn *c, const struct hello *h)
{
	const struct generation *g = c->w->gen;

	c->caller.host_n =
		slice_copy(slice_of(h->host, h->host_n), c->caller.host, sizeof(c->caller.host));
	c->caller.provider = catalogue_find_host(g->catalogue, caller_host(&c->caller));
	c->caller.provider_generation = g->number;
	if (c->caller.provider >= 0) {
		c->passthrough = passthrough_free(c->passthrough);
		conn_terminate(c);
		return false;
	}
	if (!is_captured(c) && h->has_ech) {
		/* The name inside may be any; that outside says nothing about it. */
		conn_refuse(c, EG_REASON_no_sni,
			    "the client hides the server's name (ECH) on the way to an address of "
			    "a provider; switch ECH off");
		return false;
	}
	return may_pass_on(c);
}

static bool may_pass_without_name(const struct conn *c, enum eg_reason reason)
{
	return is_captured(c) && (reason == EG_REASON_not_tls || reason == EG_REASON_no_sni ||
				  reason == EG_REASON_client_gone);
}

static void on_hello_late(struct deadline *d)
{
	struct conn *c = container_of(d, struct conn, deadline);

	c->passthrough = passthrough_free(c->passthrough);
	conn_refuse(c, EG_REASON_hello_timeout, NULL);
}

static void wait_for_rest(struct conn *c)
{
	if (c->has_spoken)
		return;
	c->has_spoken = true;
	deadline_set(&c->deadline, c->w->loop, loop_now_us(c->w->loop), c->w->set.hello_ms * 1000,
		     on_hello_late);
}

static enum greet look(struct conn *c)
{
	enum eg_reason reason = EG_REASON_client_gone;
	struct hello h = { 0 };

	switch (peek_hello(c->fd, c->w->scratch, c->w->hello_scratch, &h, &reason)) {
	case PEEK_AGAIN:
		if (h.need) /* its beginning is there */
			wait_for_rest(c);
		return GREET_WAIT;
	case PEEK_DONE:
		if (h.has_sni)
			return judge_name(c, &h) ? GREET_PASS : GREET_TAKEN;
		reason = EG_REASON_no_sni;
		break;
	case PEEK_FAILED:
		break;
	}
	/* An end without a word is passed on as well: the server may still have something to say.
	 */
	if (may_pass_without_name(c, reason)) {
		c->is_chained = reason == EG_REASON_not_tls;
		return GREET_PASS;
	}
	c->passthrough = passthrough_free(c->passthrough);
	conn_refuse(c, reason, NULL);
	return GREET_TAKEN;
}

static void on_silence(struct deadline *d)
{
	pass(container_of(d, struct conn, deadline), true);
}

static void on_hello(struct io *io, int events)
{
	struct conn *c = container_of(io, struct conn, io);

	(void)events;
	if (look(c) == GREET_PASS)
		pass(c, false);
}

void greet_start(struct conn *c)
{
	struct worker *w = c->w;

	io_start(&c->io, w->loop, c->fd, IO_READ, on_hello);
	if (is_captured(c)) {
		deadline_set(&c->deadline, w->loop, c->since_us, SILENCE_MS * 1000, on_silence);
	} else {
		c->has_spoken = true;
		deadline_set(&c->deadline, w->loop, c->since_us, w->set.hello_ms * 1000,
			     on_hello_late);
	}
	/* Mostly the hello has come by now. */
	on_hello(&c->io, IO_READ);
}

enum greet greet_late(struct conn *c)
{
	enum greet greet = look(c);

	if (greet == GREET_PASS)
		greet_answered(c);
	return greet;
}

void greet_answered(struct conn *c)
{
	c->w->count.passed_through++;
	deadline_stop(&c->deadline);
	peek_forget(c->fd);
}
