/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers ask of the vault: leaves, leases, ticket keys. A worker parses hostile bytes and is
 * believed nothing: every length and string is checked, and one that sends what it may not is cut
 * off (the monitor replaces it). Private to the vault.
 */
#include <openssl/err.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "egret/reasons.h"
#include "vault/mint.h"
#include "vault/state.h"

/* A reply that cannot be sent means the channel has ended; its on_close does the rest. */
#define REPLY(p, type, m, head, head_n, tail)                                                      \
	((void)!channel_reply((p)->channel, (type), (m)->id, (head), (head_n), (tail).p, (tail).n, \
			      NULL, 0))

static int on_mint(struct peer *p, const struct msg *m)
{
	struct vault *v = p->vault;
	uint64_t now_us = clock_wall_us();
	const struct ca *ca;
	struct eg_mint q;
	struct slice host, key;
	struct buf pem;
	int r = -EPERM;

	if (m->body.n < sizeof(q))
		return -EPROTO;
	memcpy(&q, m->body.p, sizeof(q));
	if (q.host_n > m->body.n - sizeof(q) || q.key_n != m->body.n - sizeof(q) - q.host_n)
		return -EPROTO;
	host = slice_of(m->body.p + sizeof(q), q.host_n);
	key = slice_of(host.p + host.n, q.key_n);
	buf_init(&pem, 8192);
	ca = names_is_host(host) ? authority_signer(v->authority, host, now_us) : NULL;
	if (ca)
		r = mint_leaf(ca, host, key, v->leaf_hours, now_us, &pem);
	ERR_clear_error();
	if (r < 0) {
		log_warn_limited("mint refused worker=%u error=%s", p->index, strerror(-r));
		buf_clear(&pem);
	}
	REPLY(p, EG_MSG_mint, m, NULL, 0, buf_slice(&pem));
	buf_release(&pem);
	return 0;
}

static int on_lease(struct peer *p, const struct msg *m)
{
	struct vault *v = p->vault;
	struct eg_lease q;
	struct eg_leased head;
	struct slice value;
	bool first;

	if (m->body.n != sizeof(q))
		return -EPROTO;
	memcpy(&q, m->body.p, sizeof(q));
	leases_grant(v->leases, v->keys, &q, &head, &value, &first);
	REPLY(p, EG_MSG_lease, m, &head, sizeof(head), value);
	if (first)
		vault_note(v, EG_REASON_allowed, q.workload, "",
			   "credential %s goes to requests of workload %s for the first time since "
			   "the vault started",
			   q.credential[0] ? q.credential : q.provider, q.workload);
	return 0;
}

static int on_tickets(struct peer *p, const struct msg *m)
{
	const struct eg_tickets *keys;

	if (tickets_get(&p->vault->tickets, clock_mono_us(), &keys) < 0)
		return -EIO;
	REPLY(p, EG_MSG_tickets, m, keys, sizeof(*keys), SLICE(""));
	return 0;
}

static const struct {
	uint16_t type;
	int (*run)(struct peer *p, const struct msg *m);
} table[] = {
	{ EG_MSG_mint, on_mint },
	{ EG_MSG_lease, on_lease },
	{ EG_MSG_tickets, on_tickets },
};

void from_worker(struct channel *ch, void *ctx, struct msg *m)
{
	struct peer *p = ctx;
	int r = -EPROTO;

	(void)ch;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].type == m->type && m->id)
			r = table[i].run(p, m);
	if (r == 0)
		return;
	vault_note(p->vault, EG_REASON_worker_died, "", "",
		   "worker %u sent the vault a message it may not send; it is cut off", p->index);
	vault_peer_free(p);
}
