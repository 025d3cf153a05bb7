/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "audit/slab.h"
#include "base/log.h"
#include "dataplane/dataplane.h"
#include "event/channel.h"
#include "proto/hello.h"
#include "proxy/attest.h"
#include "proxy/generation.h"
#include "proxy/lease.h"
#include "proxy/report.h"
#include "proxy/state.h"
#include "tls/server.h"
#include "upstream/pool.h"

#define TRUST_MAX   ((size_t)16 * 1024 * 1024)
#define RECORD_ROOM ((size_t)16384) /* a TLS record behind a head */
#define HEAD_MORE   ((size_t)16384) /* what policy and we add to a head */
#define KEY_ROOM    ((size_t)16384) /* a credential with its prefix */
#define SOCKETS_US  UINT64_C(5000000)
#define SHORT_MS    10000u /* for what is open when a policy cannot be used */

/* ---- what the monitor says ---- */

static void on_stop_time(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, stop);

	conns_close_all(w);
	loop_stop(w->loop);
}

/* Accepts nothing more. `stop`: no request is begun; else a client may be about to send one on an
 * open connection, and has its answer first. */
static void wind_down(struct worker *w, bool stop, uint32_t deadline_ms)
{
	w->draining = true;
	w->stopping = w->stopping || stop;
	listen_close(&w->listeners);
	resolve_stop(w);
	if (w->stopping)
		conns_close_idle(w);
	timer_start(&w->stop, w->loop, w->conns.n ? (uint64_t)deadline_ms * 1000 : 0, on_stop_time);
}

/* An image that is whole but of another layout comes from the version after ours: what is open may
 * end in its own time. For any other cause we are better replaced soon. */
static void on_policy(struct worker *w, struct msg *m)
{
	struct eg_policy_push push;
	struct generation *g = NULL;
	int r;

	if (m->body.n != sizeof(push) || m->n_fds != 2) {
		log_error("a policy message is malformed; the old policy stays in force");
		return;
	}
	memcpy(&push, m->body.p, sizeof(push));
	r = generation_new(push.generation, m->fds[0], m->fds[1], &g);
	if (r < 0) {
		log_error("cannot use policy generation=%u: %s; nothing more is begun under the "
			  "old one",
			  push.generation, strerror(-r));
		wind_down(w, true, r == -EINVAL ? UINT32_MAX : SHORT_MS);
		return;
	}
	w->gen = generation_unref(w->gen);
	w->gen = g;
	attest_flush(w->attest, g->number);
	if (!w->draining)
		resolve_restart(w);
}

static void on_listener(struct worker *w, struct msg *m)
{
	struct eg_listener l;

	if (m->n_fds != 1 || m->body.n != sizeof(l) || w->draining)
		return;
	memcpy(&l, m->body.p, sizeof(l));
	if (listen_add(w, TAKE_FD(m->fds[0]), l.netns) < 0)
		log_error("no memory for a listener");
}

static void on_listener_drop(struct worker *w, struct msg *m)
{
	struct eg_listener l;

	if (m->body.n != sizeof(l))
		return;
	memcpy(&l, m->body.p, sizeof(l));
	listen_drop(&w->listeners, l.netns);
}

static void on_trust(struct worker *w, struct msg *m)
{
	struct stat st;
	void *p;
	int r;

	if (m->n_fds != 1 || fstat(m->fds[0], &st) < 0 || st.st_size <= 0 ||
	    (size_t)st.st_size > TRUST_MAX) {
		log_error("the bundle of upstream CAs is unusable; the old one stays in force");
		return;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, m->fds[0], 0);
	if (p == MAP_FAILED) {
		log_error("cannot map the bundle of upstream CAs: %s", strerror(errno));
		return;
	}
	r = upstream_set_trust(w->upstream, slice_of(p, (size_t)st.st_size));
	if (r < 0)
		log_error("cannot use the bundle of upstream CAs: %s", strerror(-r));
	(void)munmap(p, (size_t)st.st_size);
}

/* Governed names are asked for anew: what these servers say is to be governed at once. */
static void on_resolvers(struct worker *w, struct msg *m)
{
	char text[EG_RESOLVERS_MAX][INET6_ADDRSTRLEN];
	const char *servers[EG_RESOLVERS_MAX];
	struct eg_resolvers q;
	int r;

	if (m->body.n != sizeof(q))
		return;
	memcpy(&q, m->body.p, sizeof(q));
	if (q.n == 0 || q.n > EG_RESOLVERS_MAX)
		return;
	for (unsigned i = 0; i < q.n; i++) {
		bool v4 = IN6_IS_ADDR_V4MAPPED((struct in6_addr *)(void *)&q.addr[i]);

		servers[i] =
			inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &q.addr[i].a[3] : &q.addr[i].a[0],
				  text[i], sizeof(text[i]));
	}
	r = upstream_set_servers(w->upstream, servers, q.n);
	if (r < 0)
		log_error("cannot use the new name servers: %s", strerror(-r));
	else if (!w->draining && w->gen)
		resolve_restart(w);
}

static void on_slab(struct worker *w, struct msg *m)
{
	int r;

	if (m->n_fds != 2 || w->slab) {
		log_error("a slab message is malformed");
		return;
	}
	r = slab_new(TAKE_FD(m->fds[0]), TAKE_FD(m->fds[1]), &w->slab);
	if (r < 0) {
		log_error("cannot map the audit slab: %s", strerror(-r));
		return;
	}
	slab_attach(w->slab);
}

static void on_peer(struct worker *w, struct msg *m)
{
	struct eg_peer peer;

	if (m->body.n != sizeof(peer) || m->n_fds != 1)
		return;
	memcpy(&peer, m->body.p, sizeof(peer));
	if (peer.role == EG_VAULT && vault_link_open(w, TAKE_FD(m->fds[0])) < 0)
		log_error("no memory for the channel to the vault");
}

static void on_conns(struct worker *w, struct msg *m)
{
	struct eg_conns q;
	struct buf text;
	struct slice s;

	if (m->body.n != sizeof(q) || !m->id)
		return;
	memcpy(&q, m->body.p, sizeof(q));
	buf_init(&text, EG_MSG_MAX);
	if (report_write(w, q.want_rows, q.from, &text) < 0)
		buf_clear(&text);
	s = buf_slice(&text);
	if (channel_reply(w->monitor, EG_MSG_conns, m->id, s.p, s.n, NULL, 0, NULL, 0) < 0)
		log_warn("cannot answer the monitor about connections");
	buf_release(&text);
}

static void on_stop(struct worker *w, struct msg *m)
{
	struct eg_stop stop = { 0 };

	if (m->body.n == sizeof(stop))
		memcpy(&stop, m->body.p, sizeof(stop));
	wind_down(w, !stop.drain, stop.deadline_ms);
}

static void on_log_level(struct worker *w, struct msg *m)
{
	(void)w;
	log_told_level(m->body);
}

static void (*const handlers[EG_MSG_COUNT])(struct worker *w, struct msg *m) = {
	[EG_MSG_policy] = on_policy,	   [EG_MSG_listener] = on_listener,
	[EG_MSG_trust] = on_trust,	   [EG_MSG_slab] = on_slab,
	[EG_MSG_peer] = on_peer,	   [EG_MSG_conns] = on_conns,
	[EG_MSG_stop] = on_stop,	   [EG_MSG_listener_drop] = on_listener_drop,
	[EG_MSG_log_level] = on_log_level, [EG_MSG_resolvers] = on_resolvers,
};

static void on_msg(struct channel *ch, void *ctx, struct msg *m)
{
	(void)ch;
	if (handlers[m->type])
		handlers[m->type](ctx, m);
	else
		log_warn("the monitor sent what a worker does not take type=%u", m->type);
}

static void on_close(struct channel *ch, void *ctx, int error)
{
	struct worker *w = ctx;

	(void)ch;
	if (!w->stopping)
		log_error("the monitor has gone error=%d", -error);
	w->status = w->stopping ? 0 : 1;
	loop_stop(w->loop);
}

/* ---- what the parts ask of the monitor ---- */

static void give_sockets(struct sockets_call *c, struct msg *m)
{
	unsigned n = m && m->type == EG_MSG_sockets ? m->n_fds : 0;
	int fds[EG_MSG_FDS];

	for (unsigned i = 0; i < n; i++)
		fds[i] = TAKE_FD(m->fds[i]);
	upstream_give_sockets(c->w->upstream, c->family, fds, n);
}

static void on_sockets(void *ctx, struct msg *m)
{
	struct sockets_call *c = ctx;

	if (c->w->upstream)
		give_sockets(c, m);
}

static void need_sockets(void *ctx, int family, unsigned count)
{
	struct worker *w = ctx;
	struct sockets_call *c = &w->sockets[family == AF_INET6];
	struct eg_sockets q = { .family = (uint32_t)family,
				.count = count < EG_MSG_FDS ? count : EG_MSG_FDS };

	c->w = w;
	c->family = family;
	if (channel_call(w->monitor, EG_MSG_sockets, &q, sizeof(q), NULL, 0, NULL, 0, SOCKETS_US,
			 on_sockets, c) < 0)
		upstream_give_sockets(w->upstream, family, NULL, 0);
}

static void on_revoked(void *ctx, struct slice credential)
{
	struct worker *w = ctx;

	upstream_drop_credential(w->upstream, credential);
}

/* ---- life ---- */

static int make_parts(struct worker *w, int channel_fd)
{
	struct channel_opts monitor = {
		.peer_role = EG_MONITOR, .on_msg = on_msg, .on_close = on_close, .ctx = w
	};
	struct tls_server_opts tls = { .mint = vault_link_mint, .ctx = w };
	struct upstream_opts up = { .connect_timeout_us = w->set.connect_ms * 1000,
				    .idle_us = w->set.upstream_idle_ms * 1000,
				    .idle_max = (unsigned)w->set.upstream_idle_max,
				    .allow = (const char *const *)w->set.allow,
				    .n_allow = w->set.n_allow,
				    .servers = (const char *const *)w->set.resolvers,
				    .n_servers = w->set.n_resolvers,
				    .on_need_sockets = need_sockets,
				    .ctx = w };
	int r = channel_new(w->loop, channel_fd, &monitor, &w->monitor);

	if (r < 0) {
		cleanup_close(&channel_fd);
		return r;
	}
	r = attest_new(w->monitor, 0, &w->attest);
	if (r == 0)
		r = lease_new(w->loop, on_revoked, w, &w->leases);
	if (r == 0)
		r = tls_server_new(w->loop, &tls, &w->tls);
	if (r == 0)
		r = upstream_new(w->loop, &up, &w->upstream);
	return r;
}

static int make_memory(struct worker *w)
{
	int r;

	w->head_room = (size_t)w->set.head_bytes + HEAD_MORE;
	w->scratch = malloc(SCRATCH_SIZE > HELLO_WIRE_MAX ? SCRATCH_SIZE : HELLO_WIRE_MAX);
	w->hello_scratch = malloc(HELLO_WIRE_MAX);
	if (!w->scratch || !w->hello_scratch)
		return -ENOMEM;
	r = secret_new(w->head_room + RECORD_ROOM + KEY_ROOM, &w->egress);
	return r < 0 ? r : ids_init(&w->ids);
}

int worker_new(int channel_fd, const struct eg_start *start, struct slice config, const int *fds,
	       unsigned n_fds, struct diag *d, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->flow_fd = n_fds ? fds[0] : -EBADF;
	w->index = start->index;
	memcpy(w->fingerprint_key, start->fingerprint_key, sizeof(w->fingerprint_key));
	conns_init(&w->conns);
	vault_link_init(w);
	/* Not known: then everybody's is another. */
	(void)!dataplane_socket_netns(channel_fd, &w->netns);
	/* OpenSSL and splice(2) write without a way to say MSG_NOSIGNAL. */
	(void)signal(SIGPIPE, SIG_IGN);
	r = settings_read(&w->set, config, d);
	if (r == 0)
		r = make_memory(w);
	if (r == 0) {
		w->loop = loop_new();
		r = w->loop ? make_parts(w, channel_fd) : -ENOMEM;
	} else {
		cleanup_close(&channel_fd);
	}
	if (r < 0) {
		w = worker_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int worker_run(struct worker *w)
{
	int r = channel_send(w->monitor, EG_MSG_ready, NULL, 0, NULL, 0);

	if (r < 0) {
		log_error("cannot tell the monitor that the worker is ready: %s", strerror(-r));
		return 1;
	}
	loop_run(w->loop);
	return w->status;
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	w->stopping = true;
	listen_close(&w->listeners);
	resolve_stop(w);
	timer_stop(&w->stop);
	conns_close_all(w);
	conns_bury(w);
	w->tls = tls_server_free(w->tls);
	vault_link_close(w);
	w->leases = lease_free(w->leases);
	w->upstream = upstream_free(w->upstream);
	w->attest = attest_free(w->attest);
	w->monitor = channel_free(w->monitor);
	w->gen = generation_unref(w->gen);
	w->slab = slab_free(w->slab);
	w->loop = loop_free(w->loop);
	blocks_done(&w->blocks);
	pipes_done(&w->pipes);
	secret_free(&w->egress);
	free(w->scratch);
	free(w->hello_scratch);
	settings_done(&w->set);
	cleanup_close(&w->flow_fd);
	explicit_bzero(w->fingerprint_key, sizeof(w->fingerprint_key));
	free(w);
	return NULL;
}
