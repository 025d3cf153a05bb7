/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole worker in a thread, between fakes: monitor and vault answer in a second thread; the test
 * itself is client and provider, one blocking step after another, with a limit on each. Connections
 * enter at conn_start(), with a flow record made up here.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "audit/slab.h"
#include "base/json.h"
#include "event/channel.h"
#include "policy/compile.h"
#include "proxy/conn.h"
#include "proxy/generation.h"
#include "proxy/state.h"
#include "proxy/worker.h"
#include "tests/unit/event/dns_server.h"
#include "tests/unit/tls/ca.h"

#include "embed_providers.h"

#define RIG_HOST    "api.openai.com"
#define RIG_KEY	    "sk-real-0123456789abcdef"
#define RIG_LIMIT_S 10

static const char *const rig_policy =
	"{ \"workloads\": { \"app\": { \"match\": [{ \"user\": \"root\" }] },"
	"                   \"own\": { \"match\": [{ \"user\": \"root\" }], \"direct_keys\": "
	"\"replace\" } },"
	"  \"rules\": ["
	"    { \"id\": \"mini\", \"when\": { \"workload\": [\"app\", \"own\"], \"model\": "
	"[\"gpt-4o-mini*\"] },"
	"      \"allow\": { \"credential\": \"openai-main\", \"max_tokens\": 100,"
	"                  \"headers\": { \"x-team\": \"blue\" } } },"
	"    { \"id\": \"files\", \"when\": { \"workload\": \"app\","
	"                                 \"operation\": [\"files\", \"files-upload\", \"models\"] "
	"},"
	"      \"allow\": { \"credential\": \"openai-main\" } },"
	"    { \"id\": \"no-big\", \"when\": { \"model\": [\"gpt-4-huge\"] }, \"deny\": \"too "
	"dear\" } ] }";

static const struct dns_name rig_names[] = {
	{ .name = RIG_HOST, .a = { "127.0.0.1" }, .ttl = 60 },
	{ .name = "api.anthropic.com", .a = { "10.1.2.3" }, .ttl = 60 },
	{ .name = NULL },
};

struct rig_job {
	void (*fn)(void *arg);
	void *arg;
	sem_t *done;
};

/* Runs jobs in a loop's thread. */
struct rig_desk {
	int fds[2];
	struct io io;
};

struct rig {
	unsigned open_fds;
	struct worker *w;
	pthread_t worker, peers;
	int status;
	struct rig_desk at_worker, at_peers;
	struct loop *peers_loop;
	struct channel *monitor, *vault;
	struct test_ca ca; /* of leaves towards the client, and of the provider */
	struct dns_server dns;
	int listener; /* the provider */
	int front; /* where clients connect */
	uint16_t port, front_port;
	SSL_CTX *provider_ctx, *client_ctx, *stranger_ctx;
	struct slab *slab; /* the recorder's view */
	int wake_fd;
	uint32_t generation;
	/* what the fakes do */
	_Atomic unsigned workload, attested, minted, leased, sockets, lents;
	_Atomic int attest_reason, attest_silent, lease_status, mint_refused, mint_silent,
		lease_ttl_ms;
	_Atomic unsigned lease_generation;
	_Atomic int sockets_none, sockets_silent; /* of namespaces other than the worker's */
	struct eg_sockets lent; /* what was asked last for one of those */
	_Atomic unsigned notes, noted[EG_REASON_COUNT];
	struct eg_note note; /* the last */
	sem_t ready;
};

static inline unsigned rig_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- jobs in other threads ---- */

static inline void rig_on_job(struct io *io, int events)
{
	struct rig_job job;

	(void)events;
	while (read(io_fd(io), &job, sizeof(job)) == (ssize_t)sizeof(job)) {
		job.fn(job.arg);
		sem_post(job.done);
	}
}

static inline void rig_desk_open(struct rig_desk *d, struct loop *l)
{
	assert_int_equal(pipe2(d->fds, O_CLOEXEC | O_NONBLOCK), 0);
	io_start(&d->io, l, d->fds[0], IO_READ, rig_on_job);
}

static inline void rig_do(struct rig_desk *d, void (*fn)(void *arg), void *arg)
{
	sem_t done;
	struct rig_job job = { fn, arg, &done };

	assert_int_equal(sem_init(&done, 0, 0), 0);
	assert_int_equal(write(d->fds[1], &job, sizeof(job)), sizeof(job));
	while (sem_wait(&done) < 0)
		;
	sem_destroy(&done);
}

/* ---- the fakes ---- */

static inline void rig_attest(struct rig *r, struct channel *ch, struct msg *m)
{
	struct eg_principal p = { .generation = r->generation,
				  .workload = r->workload,
				  .reason = (uint32_t)r->attest_reason,
				  .pid = 42,
				  .exe = "/usr/bin/app",
				  .cgroup_path = "/app" };

	r->attested++;
	if (r->attest_silent)
		return;
	(void)snprintf(p.name, sizeof(p.name), "%s",
		       p.workload == 0	 ? "unknown"
		       : p.workload == 1 ? "app"
					 : "own");
	assert_int_equal(channel_reply(ch, EG_MSG_attest, m->id, &p, sizeof(p), NULL, 0, NULL, 0),
			 0);
}

static inline void rig_sockets(struct rig *r, struct channel *ch, struct msg *m)
{
	struct eg_sockets q;
	int fds[EG_MSG_FDS];

	memcpy(&q, m->body.p, sizeof(q));
	if (q.netns) {
		r->lent = q;
		r->lents++;
		if (r->sockets_silent)
			return;
		q.count = r->sockets_none ? 0 : q.count;
	}
	for (unsigned i = 0; i < q.count; i++)
		fds[i] = socket((int)q.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r->sockets += q.count;
	assert_int_equal(
		channel_reply(ch, EG_MSG_sockets, m->id, &q, sizeof(q), NULL, 0, fds, q.count), 0);
	for (unsigned i = 0; i < q.count; i++)
		close(fds[i]);
}

static inline void rig_on_monitor(struct channel *ch, void *ctx, struct msg *m)
{
	struct rig *r = ctx;

	switch (m->type) {
	case EG_MSG_ready:
		sem_post(&r->ready);
		break;
	case EG_MSG_attest:
		rig_attest(r, ch, m);
		break;
	case EG_MSG_sockets:
		rig_sockets(r, ch, m);
		break;
	case EG_MSG_note:
		memcpy(&r->note, m->body.p, sizeof(r->note));
		r->notes++;
		r->noted[r->note.reason]++;
		break;
	}
}

static inline void rig_mint(struct rig *r, struct channel *ch, struct msg *m)
{
	struct eg_mint q;
	char san[300] = "DNS:";
	struct test_leaf leaf = { .san = san };
	struct slice pem = { NULL, 0 };

	memcpy(&q, m->body.p, sizeof(q));
	memcpy(san + 4, m->body.p + sizeof(q), q.host_n);
	r->minted++;
	if (r->mint_silent)
		return;
	if (!r->mint_refused)
		pem = test_ca_mint(&r->ca, slice_of(m->body.p + sizeof(q) + q.host_n, q.key_n),
				   &leaf);
	assert_int_equal(channel_reply(ch, EG_MSG_mint, m->id, pem.p, pem.n, NULL, 0, NULL, 0), 0);
	free((char *)(uintptr_t)pem.p);
}

static inline void rig_lease(struct rig *r, struct channel *ch, struct msg *m)
{
	struct eg_leased l = { .status = (uint32_t)r->lease_status,
			       .n = r->lease_status ? 0 : sizeof(RIG_KEY) - 1,
			       .generation = r->lease_generation,
			       .ttl_ms = (uint32_t)r->lease_ttl_ms };

	r->leased++;
	assert_int_equal(
		channel_reply(ch, EG_MSG_lease, m->id, &l, sizeof(l), RIG_KEY, l.n, NULL, 0), 0);
}

static inline void rig_on_vault(struct channel *ch, void *ctx, struct msg *m)
{
	struct eg_tickets t;

	switch (m->type) {
	case EG_MSG_mint:
		rig_mint(ctx, ch, m);
		break;
	case EG_MSG_lease:
		rig_lease(ctx, ch, m);
		break;
	case EG_MSG_tickets:
		memset(&t, 7, sizeof(t));
		assert_int_equal(
			channel_reply(ch, EG_MSG_tickets, m->id, &t, sizeof(t), NULL, 0, NULL, 0),
			0);
		break;
	}
}

static inline void rig_on_gone(struct channel *ch, void *ctx, int error)
{
	(void)ch;
	(void)ctx;
	(void)error;
}

static inline void *rig_run_peers(void *arg)
{
	loop_run(((struct rig *)arg)->peers_loop);
	return NULL;
}

static inline void *rig_run_worker(void *arg)
{
	struct rig *r = arg;

	r->status = worker_run(r->w);
	return NULL;
}

/* ---- what the monitor sends ---- */

static inline int rig_memfd(struct slice s)
{
	int fd = memfd_create("rig", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, s.p, s.n), s.n);
	return fd;
}

static inline struct json_doc *rig_doc(const char *text)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	if (json_doc_parse("rig", slice_str(text), 1u << 22, &d, &doc) < 0)
		fail_msg("%u:%u: %s", d.line, d.col, d.text);
	return doc;
}

struct rig_push {
	struct rig *r;
	int fds[2];
	bool done;
};

static inline void rig_look(void *arg)
{
	struct rig_push *p = arg;
	const struct worker *w = p->r->w;

	p->done = w->gen && w->gen->number == p->r->generation && w->slab && w->vault;
}

/* Waits until what was sent has arrived. */
static inline void rig_wait(struct rig *r)
{
	struct rig_push p = { .r = r };

	for (int i = 0; i < RIG_LIMIT_S * 1000 && !p.done; i++) {
		struct pollfd none = { .fd = -1 };

		(void)poll(&none, 1, 1);
		rig_do(&r->at_worker, rig_look, &p);
	}
	assert_true(p.done);
}

static inline void rig_send_policy(void *arg)
{
	struct rig_push *p = arg;
	struct eg_policy_push m = { .generation = ++p->r->generation };

	assert_int_equal(channel_send(p->r->monitor, EG_MSG_policy, &m, sizeof(m), p->fds, 2), 0);
}

static inline void rig_set_policy(struct rig *r, const char *policy)
{
	struct json_doc *cat = rig_doc(embed_providers), *pol = rig_doc(policy);
	const struct json_doc *docs[] = { cat };
	struct rig_push push = { .r = r };
	struct catalogue *c = NULL;
	struct buf image, compiled;
	struct diag d = { 0 };

	buf_init(&image, 1u << 26);
	buf_init(&compiled, 1u << 26);
	if (catalogue_compile(docs, 1, &d, &image) < 0 ||
	    catalogue_open(image.p, buf_len(&image), &c) < 0 ||
	    policy_compile(pol, c, &d, &compiled) < 0)
		fail_msg("%u:%u: %s", d.line, d.col, d.text);
	push.fds[0] = rig_memfd(buf_slice(&image));
	push.fds[1] = rig_memfd(buf_slice(&compiled));
	rig_do(&r->at_peers, rig_send_policy, &push);
	rig_wait(r);
	close(push.fds[0]);
	close(push.fds[1]);
	c = catalogue_free(c);
	buf_release(&image);
	buf_release(&compiled);
	json_doc_free(cat);
	json_doc_free(pol);
}

static inline void rig_send_rest(void *arg)
{
	struct rig *r = arg;
	struct eg_slab slab = { .slots = 64 };
	struct eg_peer peer = { .role = EG_VAULT };
	struct channel_opts o = {
		.peer_role = EG_WORKER, .on_msg = rig_on_vault, .on_close = rig_on_gone, .ctx = r
	};
	struct slice pem = test_ca_pem(r->ca.cert, NULL);
	int trust = rig_memfd(pem), pair[2];
	int file = memfd_create("slab", MFD_CLOEXEC), fds[2];

	free((char *)(uintptr_t)pem.p);
	assert_int_equal(slab_format(file, slab.slots), 0);
	fds[0] = file;
	fds[1] = r->wake_fd;
	assert_int_equal(channel_send(r->monitor, EG_MSG_slab, &slab, sizeof(slab), fds, 2), 0);
	assert_int_equal(slab_new(file, dup(r->wake_fd), &r->slab), 0);
	assert_int_equal(channel_send(r->monitor, EG_MSG_trust, NULL, 0, &trust, 1), 0);
	close(trust);
	assert_int_equal(channel_pair(pair), 0);
	assert_int_equal(channel_new(r->peers_loop, pair[0], &o, &r->vault), 0);
	assert_int_equal(channel_send(r->monitor, EG_MSG_peer, &peer, sizeof(peer), &pair[1], 1),
			 0);
	close(pair[1]);
}

/* ---- life ---- */

static inline int rig_listen(uint16_t *ret_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(sin);

	TEST_CA_MUST(fd >= 0 && bind(fd, (struct sockaddr *)&sin, n) == 0 && listen(fd, 64) == 0 &&
		     getsockname(fd, (struct sockaddr *)&sin, &n) == 0);
	*ret_port = ntohs(sin.sin_port);
	return fd;
}

static inline SSL_CTX *rig_provider(struct rig *r)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct test_leaf leaf = { .san = "DNS:" RIG_HOST };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = test_ca_sign(&r->ca, key, &leaf);

	TEST_CA_MUST(SSL_CTX_use_certificate(ctx, x) && SSL_CTX_use_PrivateKey(ctx, key));
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static inline const char *rig_config(const char *extra_limits)
{
	static char text[2048];
	struct {
		const char *name;
		unsigned v;
	} d[] = {
		{ "connections", 128 },	      { "head_bytes", 65536 },	  { "body_bytes", 4194304 },
		{ "bodies_bytes", 67108864 }, { "buffer_bytes", 65536 },  { "hello_ms", 10000 },
		{ "handshake_ms", 10000 },    { "head_ms", 10000 },	  { "idle_ms", 60000 },
		{ "body_ms", 10000 },	      { "first_byte_ms", 10000 }, { "stall_ms", 10000 },
	};
	int n = snprintf(text, sizeof(text), "{\"limits\":{");
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(d); i++) {
		if (extra_limits && strstr(extra_limits, d[i].name))
			continue;
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\"%s\":%u", first ? "" : ",",
			      d[i].name, d[i].v);
		first = false;
	}
	(void)snprintf(text + n, sizeof(text) - (size_t)n,
		       "%s%s},\"upstream\":{\"connect_ms\":5000,\"idle_ms\":60000,\"idle_max\":16,"
		       "\"allow\":[\"127.0.0.0/8\"],\"resolvers\":[\"%%s\"]},\"resolve\":false}",
		       extra_limits ? "," : "", extra_limits ? extra_limits : "");
	return text;
}

static inline void rig_start_with(struct rig *r, const char *extra_limits)
{
	struct eg_start start = { .role = EG_WORKER, .index = 3 };
	struct channel_opts o = {
		.peer_role = EG_WORKER, .on_msg = rig_on_monitor, .on_close = rig_on_gone, .ctx = r
	};
	char config[2304];
	struct diag d = { 0 };
	int pair[2];

	(void)signal(SIGPIPE, SIG_IGN);
	*r = (struct rig){ .workload = 1, .lease_ttl_ms = 60000, .lease_generation = 1 };
	r->open_fds = rig_fds();
	assert_int_equal(sem_init(&r->ready, 0, 0), 0);
	test_ca_new(&r->ca, "rig CA");
	dns_server_start(&r->dns, rig_names);
	r->listener = rig_listen(&r->port);
	r->front = rig_listen(&r->front_port);
	r->provider_ctx = rig_provider(r);
	r->client_ctx = SSL_CTX_new(TLS_client_method());
	r->stranger_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(r->client_ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify(r->stranger_ctx, SSL_VERIFY_PEER, NULL);
	TEST_CA_MUST(X509_STORE_add_cert(SSL_CTX_get_cert_store(r->client_ctx), r->ca.cert));
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->peers_loop = loop_new();
	assert_int_equal(channel_pair(pair), 0);
	assert_int_equal(channel_new(r->peers_loop, pair[0], &o, &r->monitor), 0);
	rig_desk_open(&r->at_peers, r->peers_loop);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(config, sizeof(config), rig_config(extra_limits), r->dns.addr);
#pragma GCC diagnostic pop
	if (worker_new(pair[1], &start, slice_str(config), NULL, 0, &d, &r->w) < 0)
		fail_msg("%s", d.text);
	rig_desk_open(&r->at_worker, r->w->loop);
	assert_int_equal(pthread_create(&r->peers, NULL, rig_run_peers, r), 0);
	assert_int_equal(pthread_create(&r->worker, NULL, rig_run_worker, r), 0);
	while (sem_wait(&r->ready) < 0)
		;
	rig_do(&r->at_peers, rig_send_rest, r);
	rig_set_policy(r, rig_policy);
}

static inline void rig_stop_peers(void *arg)
{
	struct rig *r = arg;

	r->vault = channel_free(r->vault);
	r->monitor = channel_free(r->monitor);
	io_stop(&r->at_peers.io);
	loop_stop(r->peers_loop);
}

static inline void rig_send_stop(void *arg)
{
	struct rig *r = arg;
	struct eg_stop s = { .deadline_ms = 200 };

	assert_int_equal(channel_send(r->monitor, EG_MSG_stop, &s, sizeof(s), NULL, 0), 0);
}

/* Everything the worker ever had must be gone again. */
static inline void rig_stop(struct rig *r)
{
	rig_do(&r->at_peers, rig_send_stop, r);
	pthread_join(r->worker, NULL);
	assert_int_equal(r->status, 0);
	rig_do(&r->at_peers, rig_stop_peers, r);
	pthread_join(r->peers, NULL);
	io_stop(&r->at_worker.io);
	r->w = worker_free(r->w);
	r->peers_loop = loop_free(r->peers_loop);
	for (int i = 0; i < 2; i++) {
		close(r->at_worker.fds[i]);
		close(r->at_peers.fds[i]);
	}
	r->slab = slab_free(r->slab);
	close(r->wake_fd);
	close(r->listener);
	close(r->front);
	SSL_CTX_free(r->provider_ctx);
	SSL_CTX_free(r->client_ctx);
	SSL_CTX_free(r->stranger_ctx);
	test_ca_free(&r->ca);
	dns_server_stop(&r->dns);
	sem_destroy(&r->ready);
	assert_int_equal(rig_fds(), r->open_fds);
}
