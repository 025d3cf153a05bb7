/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/engine.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/pool.h"
#include "proto/h1.h"

#define KNOWN	   1024u /* containers; one pushes another out */
#define ASKED_MAX  32u /* at once */
#define LIMIT_US   2000000u /* for a container, all engines together */
#define PAUSE_US   5000000u /* before one that is not known is asked for again */
#define ID_SIZE	   64
#define READ_SIZE  16384
#define HEAD_BYTES 16384u
#define POOL_BYTES ((size_t)64 * 1024)

struct known {
	char id[ID_SIZE]; /* "": none */
	bool found; /* else nobody knew it, until `until_us` */
	bool denied; /* and every engine has said so */
	uint64_t until_us;
	struct engine_facts facts;
};

struct waiter {
	engines_fn fn;
	void *ctx;
	STAILQ_ENTRY(waiter) link;
};

/* A container that is being asked for: one engine after the other. */
struct question {
	struct engines *engines;
	char id[ID_SIZE];
	size_t socket;
	int fd;
	struct io io;
	struct timer limit;
	struct h1 *answer;
	struct pool pool;
	struct buf body;
	bool has_ended; /* of the answer */
	bool has_trouble; /* some engine gave none */
	STAILQ_HEAD(, waiter) waiters;
	LIST_ENTRY(question) link;
};

struct engines {
	struct engines_opts opts; /* its sockets are these: */
	char **sockets;
	struct loop *loop;
	unsigned n_asked;
	LIST_HEAD(, question) questions;
	struct known known[KNOWN];
};

static struct known *slot_of(const struct engines *e, struct slice id)
{
	return (struct known *)(uintptr_t)&e->known[hash_bytes(HASH_SEED, id) % KNOWN];
}

static bool is_slot_of(const struct known *k, struct slice id)
{
	return id.n == ID_SIZE && memcmp(k->id, id.p, ID_SIZE) == 0;
}

const struct engine_facts *engines_find(const struct engines *e, struct slice id)
{
	const struct known *k = e ? slot_of(e, id) : NULL;

	return k && k->found && is_slot_of(k, id) ? &k->facts : NULL;
}

bool engines_deny(const struct engines *e, struct slice id)
{
	const struct known *k = e ? slot_of(e, id) : NULL;

	return !e || e->opts.n_sockets == 0 || id.n != ID_SIZE || (k->denied && is_slot_of(k, id));
}

static void forget(struct known *k)
{
	engine_facts_done(&k->facts);
	*k = (struct known){ 0 };
}

/* ---- one engine's answer ---- */

static void hang_up(struct question *q)
{
	io_stop(&q->io);
	cleanup_close(&q->fd);
	q->fd = -EBADF;
	q->answer = h1_free(q->answer);
	pool_clear(&q->pool, false);
	buf_release(&q->body);
	q->has_ended = false;
}

/* Whoever waits is told: there is an answer, or there will be none for now. */
static void finish(struct question *q, struct engine_facts *facts)
{
	struct engines *e = q->engines;
	struct slice id = slice_of(q->id, ID_SIZE);
	struct known *k = slot_of(e, id);
	struct waiter *w;

	hang_up(q);
	timer_stop(&q->limit);
	LIST_REMOVE(q, link);
	e->n_asked--;
	forget(k);
	memcpy(k->id, q->id, ID_SIZE);
	k->found = facts;
	k->denied = !facts && !q->has_trouble;
	k->until_us = loop_now_us(e->loop) + PAUSE_US;
	if (facts)
		k->facts = *facts;
	while ((w = STAILQ_FIRST(&q->waiters))) {
		STAILQ_REMOVE_HEAD(&q->waiters, link);
		w->fn(w->ctx);
		free(w);
	}
	free(q);
}

static void ask_engine(struct question *q);

static void next_engine(struct question *q, const char *error)
{
	struct engines *e = q->engines;

	if (error) {
		q->has_trouble = true;
		e->opts.on_state(e->opts.ctx, e->opts.sockets[q->socket], error);
	}
	hang_up(q);
	q->socket++;
	ask_engine(q);
}

static void on_limit(struct timer *t)
{
	struct question *q = container_of(t, struct question, limit);
	struct engines *e = q->engines;

	e->opts.on_state(e->opts.ctx, e->opts.sockets[q->socket], "no answer in time");
	q->has_trouble = true;
	finish(q, NULL);
}

static void on_nobody(struct timer *t)
{
	finish(container_of(t, struct question, limit), NULL);
}

static void conclude(struct question *q)
{
	struct engines *e = q->engines;
	struct engine_facts facts = { 0 };
	unsigned status = h1_response(q->answer)->status;
	int r;

	if (status == 404) {
		e->opts.on_state(e->opts.ctx, e->opts.sockets[q->socket], NULL);
		next_engine(q, NULL);
		return;
	}
	r = status == 200 ? engine_reply_read(buf_slice(&q->body), slice_of(q->id, ID_SIZE), &facts)
			  : -EPROTO;
	if (r < 0) {
		next_engine(q, "it answers with what is no description of a container");
		return;
	}
	e->opts.on_state(e->opts.ctx, e->opts.sockets[q->socket], NULL);
	finish(q, &facts);
}

/* False when there is nothing more to hope for from this engine. */
static bool feed(struct question *q, struct slice in)
{
	while (!q->has_ended) {
		struct slice piece;
		size_t n;

		switch (h1_parse(q->answer, in, &n, &piece)) {
		case H1_NEED_MORE:
			return true;
		case H1_HEAD:
			break;
		case H1_BODY:
			if (buf_append_slice(&q->body, piece) < 0)
				return false;
			break;
		case H1_DONE:
			q->has_ended = h1_response(q->answer)->status >= 200;
			if (!q->has_ended)
				h1_next(q->answer);
			break;
		case H1_ERROR:
		case H1_TOO_LARGE:
			return false;
		}
		in = slice_of(in.p + n, in.n - n);
	}
	return true;
}

static void on_readable(struct io *io, int events)
{
	struct question *q = container_of(io, struct question, io);
	char in[READ_SIZE];
	ssize_t n = read(q->fd, in, sizeof(in));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && !feed(q, slice_of(in, (size_t)n)))
		next_engine(q, "its answer is malformed, or too long");
	else if (q->has_ended || (n == 0 && h1_eof(q->answer) == H1_DONE))
		conclude(q);
	else if (n <= 0)
		next_engine(q, "it hangs up");
}

/* ---- asking ---- */

static int call(struct question *q)
{
	const char *path = q->engines->opts.sockets[q->socket];
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const struct h1_limits limits = { .head_max = HEAD_BYTES };
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "GET /containers/%.*s/json HTTP/1.1\r\nHost: localhost\r\n"
			 "Connection: close\r\n\r\n",
			 ID_SIZE, q->id);

	(void)slice_copy(slice_str(path), to.sun_path, sizeof(to.sun_path));
	buf_init(&q->body, ENGINE_REPLY_MAX);
	q->answer = h1_new_response(&limits, &q->pool);
	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!q->answer)
		return -ENOMEM;
	/* A queue that is full (EAGAIN) is an engine that does not answer. */
	if (q->fd < 0 || connect(q->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	if (send(q->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		return -EIO;
	io_start(&q->io, q->engines->loop, q->fd, IO_READ, on_readable);
	return 0;
}

static void ask_engine(struct question *q)
{
	struct engines *e = q->engines;

	for (; q->socket < e->opts.n_sockets; q->socket++) {
		int r = call(q);

		if (r == 0)
			return;
		e->opts.on_state(e->opts.ctx, e->opts.sockets[q->socket], strerror(-r));
		q->has_trouble = true;
		hang_up(q);
	}
	/* From the loop, so that nobody is called from within his own question. */
	timer_start(&q->limit, e->loop, 0, on_nobody);
}

static int wait_for(struct question *q, engines_fn fn, void *ctx)
{
	struct waiter *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct waiter){ .fn = fn, .ctx = ctx };
	STAILQ_INSERT_TAIL(&q->waiters, w, link);
	return 0;
}

static int begin(struct engines *e, struct slice id, engines_fn fn, void *ctx)
{
	struct question *q = e->n_asked < ASKED_MAX ? calloc(1, sizeof(*q)) : NULL;
	int r;

	if (!q)
		return e->n_asked < ASKED_MAX ? -ENOMEM : -EBUSY;
	q->engines = e;
	q->fd = -EBADF;
	memcpy(q->id, id.p, ID_SIZE);
	pool_init(&q->pool, POOL_BYTES);
	STAILQ_INIT(&q->waiters);
	r = wait_for(q, fn, ctx);
	if (r < 0) {
		free(q);
		return r;
	}
	LIST_INSERT_HEAD(&e->questions, q, link);
	e->n_asked++;
	timer_start(&q->limit, e->loop, LIMIT_US, on_limit);
	ask_engine(q);
	return 0;
}

int engines_ask(struct engines *e, struct slice id, engines_fn fn, void *ctx)
{
	const struct known *k = e ? slot_of(e, id) : NULL;
	struct question *q;

	if (!e || id.n != ID_SIZE || e->opts.n_sockets == 0)
		return -ENOENT;
	if (is_slot_of(k, id) && !k->found && loop_now_us(e->loop) < k->until_us)
		return -ENOENT;
	LIST_FOREACH(q, &e->questions, link)
	{
		if (memcmp(q->id, id.p, ID_SIZE) == 0)
			return wait_for(q, fn, ctx);
	}
	return begin(e, id, fn, ctx);
}

/* ---- life ---- */

int engines_new(struct loop *l, const struct engines_opts *o, struct engines **ret)
{
	struct engines *e;

	for (size_t i = 0; i < o->n_sockets; i++)
		if (strlen(o->sockets[i]) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return -ENAMETOOLONG;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->opts = *o;
	e->loop = l;
	LIST_INIT(&e->questions);
	e->sockets = calloc(o->n_sockets + 1, sizeof(*e->sockets));
	e->opts.sockets = (const char *const *)e->sockets;
	for (size_t i = 0; e->sockets && i < o->n_sockets; i++) {
		e->sockets[i] = strdup(o->sockets[i]);
		if (!e->sockets[i])
			break;
	}
	if (!e->sockets || (o->n_sockets && !e->sockets[o->n_sockets - 1])) {
		(void)engines_free(e);
		return -ENOMEM;
	}
	*ret = e;
	return 0;
}

struct engines *engines_free(struct engines *e)
{
	struct question *q;

	if (!e)
		return NULL;
	while ((q = LIST_FIRST(&e->questions)))
		finish(q, NULL);
	for (size_t i = 0; i < KNOWN; i++)
		forget(&e->known[i]);
	for (size_t i = 0; e->sockets && e->sockets[i]; i++)
		free(e->sockets[i]);
	free(e->sockets);
	free(e);
	return NULL;
}
