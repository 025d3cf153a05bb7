/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections between two requests: found by key, the most recently used first; closed when they
 * have been idle too long, when there are too many, and when the provider closes or says anything
 * unasked. Their watcher stays registered, so putting and taking one costs no system call.
 */
#include <openssl/err.h>

#include "upstream/state.h"

static void unlink_idle(struct conn *c)
{
	struct upstream *u = c->upstream;

	*(c->newer ? &c->newer->older : &u->newest) = c->older;
	*(c->older ? &c->older->newer : &u->oldest) = c->newer;
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->at = NULL;
	u->stats.idle--;
}

static void link_idle(struct conn *c)
{
	struct upstream *u = c->upstream;
	struct upstream_key *key = c->pub.key;

	c->newer = NULL;
	c->older = u->newest;
	*(u->newest ? &u->newest->newer : &u->oldest) = c;
	u->newest = c;
	c->next = key->idle;
	c->at = &key->idle;
	if (c->next)
		c->next->at = &c->next;
	key->idle = c;
	u->stats.idle++;
}

static void close_idle(struct conn *c)
{
	unlink_idle(c);
	conn_close_politely(c);
}

/* Whether nothing came but session tickets and key updates. An answer to no question is not fine,
 * nor is the end. */
static bool is_quiet(struct conn *c)
{
	char byte;
	int r;

	ERR_clear_error();
	r = SSL_read(c->pub.ssl, &byte, 1);
	if (r <= 0 && SSL_get_error(c->pub.ssl, r) == SSL_ERROR_WANT_READ)
		return true;
	ERR_clear_error();
	return false;
}

static void on_ready(struct io *io, int events)
{
	struct conn *c = conn_of(container_of(io, struct upstream_conn, io));

	(void)events;
	if (is_quiet(c))
		return;
	unlink_idle(c);
	conn_free(c);
}

static void on_sweep(struct timer *t)
{
	struct upstream *u = container_of(t, struct upstream, sweep);
	uint64_t now = loop_now_us(u->loop);

	while (u->oldest && u->oldest->idle_since_us + u->idle_us <= now)
		close_idle(u->oldest);
	if (u->oldest)
		timer_start(t, u->loop, u->oldest->idle_since_us + u->idle_us - now, on_sweep);
}

void idle_put(struct conn *c, uint64_t now_us)
{
	struct upstream *u = c->upstream;

	/* Bytes that are in the SSL already will not make the socket readable. */
	if (SSL_has_pending(c->pub.ssl) && !is_quiet(c)) {
		conn_free(c);
		return;
	}
	c->idle_since_us = now_us;
	c->pub.owner = NULL;
	link_idle(c);
	c->pub.io.on_ready = on_ready;
	io_want(&c->pub.io, IO_READ);
	if (u->stats.idle > u->idle_max)
		close_idle(u->oldest);
	/* The timer is not moved for each: it runs until the time of the oldest and looks again. */
	if (u->oldest && !timer_is_running(&u->sweep))
		timer_start(&u->sweep, u->loop, u->idle_us, on_sweep);
}

struct conn *idle_take(struct upstream_key *key)
{
	struct conn *c = key->idle;

	if (!c)
		return NULL;
	unlink_idle(c);
	io_want(&c->pub.io, 0);
	return c;
}

void idle_close(struct upstream *u, const struct slice *credential)
{
	struct conn *older;

	for (struct conn *c = u->newest; c; c = older) {
		older = c->older;
		if (!credential ||
		    slice_eq(upstream_key_target(c->pub.key).credential, *credential))
			close_idle(c);
	}
}
