/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor tells the vault: the CA's files, credentials to read, workers to serve, when to
 * stop. Private to the vault.
 */
#include <openssl/err.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "egret/reasons.h"
#include "vault/state.h"

#define PEM_MAX (65000u - sizeof(struct eg_ca_info))

/* ---- the CA ---- */

static int describe_ca(const struct vault *v, struct eg_ca_info *info, struct buf *pem)
{
	const struct ca *ca = authority_newest(v->authority);
	int r = ca_sha256(ca, info->sha256);

	info->not_before_us = ca->not_before_us;
	info->not_after_us = ca->not_after_us;
	if (r == 0)
		r = authority_pem(v->authority, pem);
	info->pem_n = (uint32_t)buf_len(pem);
	return r;
}

static void on_ca_load(struct vault *v, struct msg *m)
{
	struct eg_ca_info info = { 0 };
	struct eg_ca_load q;
	struct diag d = { 0 };
	struct buf pem;
	int r = -EPROTO;

	buf_init(&pem, PEM_MAX);
	if (m->body.n >= sizeof(q) && m->n_fds == 2) {
		memcpy(&q, m->body.p, sizeof(q));
		if (q.names_n == m->body.n - sizeof(q))
			r = authority_load(v->authority, m->fds[0], m->fds[1],
					   slice_of(m->body.p + sizeof(q), q.names_n), q.rotate,
					   clock_wall_us(), &d);
	}
	info.made = r == 1;
	info.kept = (uint32_t)-authority_kept(v->authority);
	if (r >= 0)
		r = describe_ca(v, &info, &pem);
	ERR_clear_error();
	if (r < 0) {
		info = (struct eg_ca_info){ .status = (uint32_t)-r };
		buf_clear(&pem);
		vault_note(v, EG_REASON_mint_failed, "", "", "%s",
			   d.text[0] ? d.text : "CA: cannot be loaded");
	} else if (info.kept) {
		vault_note(v, EG_REASON_mint_failed, "", "",
			   "%s: what its files hold serves, and no name that it lacks", d.text);
	} else if (info.made) {
		vault_note(v, EG_REASON_allowed, "", "",
			   "a new CA certificate was made; programs started before now trust only "
			   "what they knew: see `egret check`");
	}
	(void)!channel_reply(v->monitor, EG_MSG_ca_load, m->id, &info, sizeof(info),
			     buf_slice(&pem).p, buf_len(&pem), NULL, 0);
	buf_release(&pem);
	vault_check_ca(v);
}

/* ---- credentials ---- */

static void revoke_at(struct vault *v, struct peer *p)
{
	const struct eg_revoke body = { .generation = keys_generation(v->keys) };

	(void)!channel_send(p->channel, EG_MSG_revoke, &body, sizeof(body), NULL, 0);
}

static void revoke_leases(struct vault *v)
{
	for (struct peer *p = v->peers; p; p = p->next)
		revoke_at(v, p);
}

static void reading_end(struct reading *r, int error, const struct key *key)
{
	struct eg_credential_info info = { .status = (uint32_t)-error };

	if (key) {
		info.generation = key->generation;
		memcpy(info.fingerprint, key->fingerprint, sizeof(info.fingerprint));
		memcpy(info.last4, key->last4, sizeof(info.last4));
	}
	if (r->msg_id)
		(void)!channel_reply(r->vault->monitor, EG_MSG_credential, r->msg_id, &info,
				     sizeof(info), NULL, 0, NULL, 0);
	(void)key_read_cancel(r->read);
	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	free(r);
}

static void on_read(void *ctx, int error, struct secret *value)
{
	struct reading *r = ctx;
	struct vault *v = r->vault;
	const struct key *key = NULL;
	bool changed = false;

	r->read = NULL;
	if (error == 0)
		error = keys_put(v->keys, &r->credential, value, &key, &changed);
	else
		(void)!keys_fail(v->keys, &r->credential, error);
	if (error < 0)
		vault_note(v, EG_REASON_credential_unavailable, "", "",
			   "credential %s: cannot be read: %s", r->credential.id,
			   error == -EILSEQ    ? "it holds spaces, control or non-ASCII characters"
			   : error == -ENODATA ? "its source is empty"
					       : strerror(-error));
	if (changed)
		revoke_leases(v);
	reading_end(r, error, key);
}

/* An older reading of the same credential must not put its value over a newer one's. */
static void supersede(struct vault *v, const char *id)
{
	struct reading *next;

	for (struct reading *r = v->readings; r; r = next) {
		next = r->next;
		if (strcmp(r->credential.id, id) == 0)
			reading_end(r, -ECANCELED, NULL);
	}
}

static struct reading *reading_new(struct vault *v, const struct eg_credential *c, uint32_t msg_id)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct reading){ .vault = v,
			       .next = v->readings,
			       .prev = &v->readings,
			       .credential = *c,
			       .msg_id = msg_id };
	if (r->next)
		r->next->prev = &r->next;
	v->readings = r;
	return r;
}

static bool read_credential(const struct msg *m, struct eg_credential *ret)
{
	if (m->body.n != sizeof(*ret))
		return false;
	memcpy(ret, m->body.p, sizeof(*ret));
	return ret->id[0] && memchr(ret->id, 0, sizeof(ret->id)) &&
	       memchr(ret->provider, 0, sizeof(ret->provider));
}

static void on_credential(struct vault *v, struct msg *m)
{
	struct eg_credential c;
	struct reading *r = NULL;
	int error = -EPROTO;

	if (read_credential(m, &c) && m->n_fds == 1) {
		supersede(v, c.id);
		r = reading_new(v, &c, m->id);
		error = r ? key_read_start(v->loop, TAKE_FD(m->fds[0]), on_read, r, &r->read)
			  : -ENOMEM;
	}
	if (error == 0)
		return;
	if (r) {
		reading_end(r, error, NULL);
	} else {
		struct eg_credential_info info = { .status = (uint32_t)-error };

		(void)!channel_reply(v->monitor, EG_MSG_credential, m->id, &info, sizeof(info),
				     NULL, 0, NULL, 0);
	}
}

static void on_credential_drop(struct vault *v, struct msg *m)
{
	struct eg_credential c;

	if (!read_credential(m, &c))
		return;
	supersede(v, c.id);
	if (keys_drop(v->keys, c.id))
		revoke_leases(v);
}

void from_monitor_done(struct vault *v)
{
	while (v->readings) {
		v->readings->msg_id = 0;
		reading_end(v->readings, -ECANCELED, NULL);
	}
}

/* ---- workers, the end ---- */

static void on_peer_close(struct channel *ch, void *ctx, int error)
{
	struct peer *p = ctx;

	(void)ch;
	if (error < 0)
		vault_note(p->vault, EG_REASON_worker_died, "", "",
			   "the channel to worker %u ended: %s", p->index, strerror(-error));
	vault_peer_free(p);
}

static int add_peer(struct vault *v, uint32_t index, int fd)
{
	struct peer *p = v->n_peers < VAULT_PEERS_MAX ? calloc(1, sizeof(*p)) : NULL;
	struct channel_opts opts = { .peer_role = EG_WORKER,
				     .secret = true,
				     .on_msg = from_worker,
				     .on_close = on_peer_close,
				     .ctx = p };
	int r = p ? channel_new(v->loop, fd, &opts, &p->channel) : -ENOMEM;

	if (r < 0) {
		(void)close(fd);
		free(p);
		return r;
	}
	p->vault = v;
	p->index = index;
	p->next = v->peers;
	p->prev = &v->peers;
	if (p->next)
		p->next->prev = &p->next;
	v->peers = p;
	v->n_peers++;
	/* It may come with leases of a vault before this one, of keys that are no longer. */
	if (keys_generation(v->keys))
		revoke_at(v, p);
	return 0;
}

static void on_peer(struct vault *v, struct msg *m)
{
	struct eg_peer q;
	int r = -EPROTO;

	if (m->body.n == sizeof(q) && m->n_fds == 1) {
		memcpy(&q, m->body.p, sizeof(q));
		if (q.role == EG_WORKER)
			r = add_peer(v, q.index, TAKE_FD(m->fds[0]));
	}
	if (r < 0)
		vault_note(v, EG_REASON_overloaded, "", "",
			   "the vault cannot serve a worker: %s; raise the limit on locked memory",
			   strerror(-r));
}

static void on_stop_time(struct timer *t)
{
	vault_stop(container_of(t, struct vault, stop_at));
}

/* Workers that finish what is in flight may still need a key: they go first. */
static void on_stop(struct vault *v, struct msg *m)
{
	struct eg_stop q = { 0 };

	if (m->body.n == sizeof(q))
		memcpy(&q, m->body.p, sizeof(q));
	v->stopping = true;
	if (v->n_peers == 0 || q.deadline_ms == 0)
		vault_stop(v);
	else
		timer_start(&v->stop_at, v->loop, q.deadline_ms * 1000ull, on_stop_time);
}

static void on_log_level(struct vault *v, struct msg *m)
{
	(void)v;
	log_told_level(m->body);
}

static const struct {
	uint16_t type;
	void (*run)(struct vault *v, struct msg *m);
} table[] = {
	{ EG_MSG_ca_load, on_ca_load },
	{ EG_MSG_credential, on_credential },
	{ EG_MSG_credential_drop, on_credential_drop },
	{ EG_MSG_peer, on_peer },
	{ EG_MSG_stop, on_stop },
	{ EG_MSG_log_level, on_log_level },
};

void from_monitor(struct channel *ch, void *ctx, struct msg *m)
{
	struct vault *v = ctx;

	(void)ch;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].type == m->type) {
			table[i].run(v, m);
			return;
		}
	}
	log_warn("message of type %u from the monitor is not for the vault", m->type);
}
