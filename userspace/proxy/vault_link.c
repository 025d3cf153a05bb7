/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/vault_link.h"

#include "base/log.h"
#include "event/channel.h"
#include "proto/hello.h"
#include "proxy/lease.h"
#include "proxy/state.h"
#include "tls/server.h"

#define CALL_US	      UINT64_C(8000000)
#define TICKETS_US    UINT64_C(600000000)
#define TICKETS_RETRY UINT64_C(5000000)
#define RETIRE_US     UINT64_C(100000)
#define SPKI_MAX      2048u

/* A certificate asked for: by the vault if `sent`, else about to be told that there is none. */
struct mint_call {
	struct worker *w;
	struct timer none;
	char host[HELLO_HOST_MAX + 1];
	LIST_ENTRY(mint_call) link;
};

/* One is kept, for when there is no memory: the refusal that follows needs one too. */
static struct mint_call *take_call(struct worker *w, struct slice host)
{
	struct mint_call *m = calloc(1, sizeof(*m));

	if (!m)
		m = TAKE_PTR(w->vault_link.spare);
	if (!m)
		return NULL;
	*m = (struct mint_call){ .w = w };
	(void)slice_copy(host, m->host, sizeof(m->host));
	LIST_INSERT_HEAD(&w->vault_link.minting, m, link);
	return m;
}

static void return_call(struct mint_call *m)
{
	struct vault_link *v = &m->w->vault_link;

	timer_stop(&m->none);
	LIST_REMOVE(m, link);
	if (v->spare)
		free(m);
	else
		v->spare = m;
}

static void finish_mint(struct mint_call *m, struct slice chain)
{
	struct tls_server *tls = m->w->tls;
	char host[HELLO_HOST_MAX + 1];

	memcpy(host, m->host, sizeof(host));
	return_call(m);
	if (tls)
		tls_server_minted(tls, slice_str(host), chain);
}

static void on_none(struct timer *t)
{
	finish_mint(container_of(t, struct mint_call, none), SLICE(""));
}

static void on_minted(void *ctx, struct msg *m)
{
	finish_mint(ctx, m && m->type == EG_MSG_mint ? m->body : SLICE(""));
}

void vault_link_mint(void *ctx, struct slice host, struct slice der)
{
	struct worker *w = ctx;
	struct eg_mint q = { .host_n = (uint32_t)host.n, .key_n = (uint32_t)der.n };
	char tail[HELLO_HOST_MAX + SPKI_MAX];
	struct mint_call *m;

	if (host.n > HELLO_HOST_MAX || der.n > SPKI_MAX)
		return; /* no answer counts as refused */
	m = take_call(w, host);
	if (!m)
		return;
	memcpy(tail, host.p, host.n);
	memcpy(tail + host.n, der.p, der.n);
	if (!w->vault || channel_call(w->vault, EG_MSG_mint, &q, sizeof(q), tail, host.n + der.n,
				      NULL, 0, CALL_US, on_minted, m) < 0)
		timer_start(&m->none, w->loop, 0, on_none);
}

static void ask_tickets(struct worker *w);

static void on_tickets_time(struct timer *t)
{
	ask_tickets(container_of(t, struct worker, tickets));
}

static void on_tickets(void *ctx, struct msg *m)
{
	struct worker *w = ctx;
	struct eg_tickets *t;
	bool good = false;

	if (m && m->type == EG_MSG_tickets && m->body.n == sizeof(*t)) {
		t = (struct eg_tickets *)(uintptr_t)m->body.p;
		good = tls_server_set_tickets(w->tls, t->key, t->previous) == 0;
	}
	if (!good)
		log_warn_limited("no ticket keys from the vault; sessions are not resumed for now");
	if (w->vault)
		timer_start(&w->tickets, w->loop, good ? TICKETS_US : TICKETS_RETRY,
			    on_tickets_time);
}

static void ask_tickets(struct worker *w)
{
	if (w->vault && channel_call(w->vault, EG_MSG_tickets, NULL, 0, NULL, 0, NULL, 0, CALL_US,
				     on_tickets, w) < 0)
		timer_start(&w->tickets, w->loop, TICKETS_RETRY, on_tickets_time);
}

static void on_msg(struct channel *ch, void *ctx, struct msg *m)
{
	struct worker *w = ctx;
	struct eg_revoke r;

	/* What the one before gave is no longer counted by its generations. */
	if (ch != w->vault || m->type != EG_MSG_revoke || m->body.n != sizeof(r))
		return;
	memcpy(&r, m->body.p, sizeof(r));
	lease_revoke(w->leases, r.generation);
}

static void drop_before(struct vault_link *v)
{
	struct channel *ch = TAKE_PTR(v->before);

	timer_stop(&v->retire);
	(void)channel_free(ch);
}

static void retire(struct vault_link *v);

static void on_retire(struct timer *t)
{
	retire(container_of(t, struct vault_link, retire));
}

/* It is kept while it owes answers; each call has its own time limit. */
static void retire(struct vault_link *v)
{
	if (v->before && channel_is_owed(v->before))
		timer_start(&v->retire, v->w->loop, RETIRE_US, on_retire);
	else
		drop_before(v);
}

static void on_close(struct channel *ch, void *ctx, int error)
{
	struct worker *w = ctx;

	if (ch == w->vault_link.before) {
		drop_before(&w->vault_link);
		return;
	}
	log_warn("the vault has gone error=%d", -error);
	vault_link_close(w);
}

void vault_link_init(struct worker *w)
{
	w->vault_link.w = w;
	LIST_INIT(&w->vault_link.minting);
}

int vault_link_open(struct worker *w, int fd)
{
	struct channel_opts o = { .peer_role = EG_VAULT,
				  .secret = true,
				  .on_msg = on_msg,
				  .on_close = on_close,
				  .ctx = w };
	struct channel *next = NULL;
	int r;

	r = channel_new(w->loop, fd, &o, &next);
	if (r < 0) {
		cleanup_close(&fd);
		return r;
	}
	timer_stop(&w->tickets);
	drop_before(&w->vault_link);
	w->vault_link.before = w->vault;
	retire(&w->vault_link);
	w->vault = next;
	lease_set_vault(w->leases, w->vault);
	ask_tickets(w);
	return 0;
}

void vault_link_close(struct worker *w)
{
	struct channel *ch = TAKE_PTR(w->vault);
	struct mint_call *m;

	timer_stop(&w->tickets);
	if (w->leases)
		lease_set_vault(w->leases, NULL);
	(void)channel_free(ch); /* what waits for it is told that there is no answer */
	if (w->tls)
		return;
	drop_before(&w->vault_link);
	while ((m = LIST_FIRST(&w->vault_link.minting)))
		return_call(m);
	free(TAKE_PTR(w->vault_link.spare));
}
