/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/session.h"

#include "proxy/session_private.h"
#include "proxy/state.h"
#include "tls/stream.h"

#define POOL_MORE ((size_t)512 * 1024) /* beside heads: what a scan finds, messages */
#define AHEAD_MAX ((size_t)64 * 1024) /* bytes of further requests taken in meanwhile */

static void on_due(struct deadline *d)
{
	session_on_late(container_of(d, struct conn, deadline)->session);
}

void session_set_deadline(struct session *s, uint64_t ms)
{
	struct worker *w = session_worker(s);

	s->stalling = false;
	if (ms)
		deadline_set(&s->conn->deadline, w->loop, loop_now_us(w->loop), ms * 1000, on_due);
	else
		deadline_clear(&s->conn->deadline);
}

static void become_idle(struct session *s)
{
	s->state = SESSION_IDLE;
	h1_next(s->requests);
	pool_clear(&s->pool, true);
	s->request_done = s->body_begun = false;
	session_set_deadline(s, session_worker(s)->set.idle_ms);
}

static void on_head(struct session *s)
{
	struct http_request *req = h1_request_mut(s->requests);

	s->state = SESSION_EXCHANGE;
	s->keep = false;
	s->conn->requests++;
	session_set_deadline(s, 0);
	conns_set_idle(s->conn, false);
	exchange_begin(&s->exchange, req);
}

static void on_done(struct session *s)
{
	const struct http_field *trailers;
	size_t n = h1_trailers(s->requests, &trailers);

	s->request_done = true;
	if (s->state == SESSION_EXCHANGE)
		exchange_body_end(&s->exchange, trailers, n);
}

static void on_body(struct session *s, struct slice piece)
{
	s->body_begun = true;
	s->conn->bytes_in += piece.n;
	if (s->state == SESSION_EXCHANGE)
		exchange_body(&s->exchange, piece);
	if (s->state == SESSION_DRAIN || s->exchange.state == EXCHANGE_FLUSH)
		s->thrown += piece.n;
	if (s->thrown > SESSION_DRAIN_MAX && s->state == SESSION_DRAIN)
		s->state = SESSION_ENDING;
}

static void on_bad(struct session *s, enum eg_reason reason)
{
	const char *why = h1_error(s->requests);

	if (s->state == SESSION_DRAIN || s->exchange.state == EXCHANGE_FLUSH) {
		s->keep = false;
		s->state = s->state == SESSION_DRAIN ? SESSION_ENDING : s->state;
		s->request_done = true; /* nothing more of it is wanted */
		return;
	}
	s->request_done = true;
	s->state = SESSION_EXCHANGE;
	s->keep = false;
	conns_set_idle(s->conn, false);
	exchange_bad(&s->exchange, reason, why);
}

/* May bytes be parsed now? Beyond the end of a request only once its answer is out. */
static bool may_parse(const struct session *s)
{
	switch (s->state) {
	case SESSION_IDLE:
	case SESSION_HEAD:
		return true;
	case SESSION_EXCHANGE:
		return !s->request_done && exchange_wants_body(&s->exchange) != EXCHANGE_HOLD;
	case SESSION_DRAIN:
		return !s->request_done;
	default:
		return false;
	}
}

/* Parses as far as may be; returns the bytes used. */
static size_t parse(struct session *s, struct slice in)
{
	size_t used = 0;

	while (may_parse(s) && s->conn->state == CONN_OPEN) {
		struct slice piece, rest = slice_of(in.p + used, in.n - used);
		size_t n;

		if (rest.n == 0 && s->state == SESSION_IDLE)
			break;
		switch (h1_parse(s->requests, rest, &n, &piece)) {
		case H1_NEED_MORE:
			if (s->state == SESSION_IDLE) {
				s->state = SESSION_HEAD;
				conns_set_idle(s->conn, false);
				session_set_deadline(s, session_worker(s)->set.head_ms);
			}
			return used + n;
		case H1_HEAD:
			on_head(s);
			break;
		case H1_BODY:
			on_body(s, piece);
			break;
		case H1_DONE:
			on_done(s);
			break;
		case H1_ERROR:
			on_bad(s, EG_REASON_bad_request);
			break;
		case H1_TOO_LARGE:
			on_bad(s, EG_REASON_headers_too_large);
			break;
		}
		used += n;
		if (s->state == SESSION_DRAIN && s->request_done)
			become_idle(s);
	}
	return used;
}

static bool wants_read(const struct session *s)
{
	if (s->broken || s->state == SESSION_ENDING)
		return false;
	/* While it can't be parsed, some is taken in all the same: so an end is seen. */
	return may_parse(s) || buf_len(&s->in) < AHEAD_MAX;
}

/* Keeps what could not be parsed yet. */
static void keep_rest(struct session *s, struct slice rest)
{
	if (rest.n == 0)
		return;
	if (buf_append_slice(&s->in, rest) < 0)
		s->broken = true;
}

static void parse_new(struct session *s, struct slice got)
{
	size_t n;

	if (buf_len(&s->in)) {
		keep_rest(s, got);
		n = parse(s, buf_slice(&s->in));
		buf_consume(&s->in, n);
		if (buf_len(&s->in) == 0)
			buf_release(&s->in);
		return;
	}
	n = parse(s, got);
	keep_rest(s, slice_of(got.p + n, got.n - n));
}

/* Reads what is there. */
static void read_in(struct session *s)
{
	struct worker *w = session_worker(s);

	do {
		ssize_t n;

		if (!wants_read(s) || s->conn->state != CONN_OPEN)
			return;
		n = stream_read(s->conn->ssl, w->scratch, SCRATCH_SIZE);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			s->broken = true;
			if (s->conn->requests == 0 && s->state == SESSION_IDLE)
				conn_note_end(s->conn);
			return;
		}
		parse_new(s, slice_of(w->scratch, (size_t)n));
	} while (stream_has_more(s->conn->ssl));
}

/* ---- what to do next ---- */

static void say_continue(struct session *s)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_request *req = s->exchange.req;

	if (s->state != SESSION_EXCHANGE || s->request_done || s->body_begun || !req ||
	    !req->expect_continue || h1_is_http10(s->requests) ||
	    exchange_wants_body(&s->exchange) != EXCHANGE_TAKE)
		return;
	req->expect_continue = false;
	if (blocks_lend(&session_worker(s)->blocks, &s->out) < 0 ||
	    buf_append(&s->out, line, sizeof(line) - 1) < 0)
		s->broken = true;
	session_write(s);
}

/* Parses what was kept, as answers make way for it. */
static void parse_kept(struct session *s)
{
	bool more = true;

	while (more && s->conn->state == CONN_OPEN && may_parse(s)) {
		size_t before = buf_len(&s->in), n;

		if (before == 0 && s->state != SESSION_EXCHANGE)
			break;
		n = parse(s, buf_slice(&s->in));
		buf_consume(&s->in, n);
		more = n > 0;
	}
	if (buf_len(&s->in) == 0)
		buf_release(&s->in);
}

static void settle(struct session *s)
{
	struct conn *c = s->conn;
	int events = 0;

	if (s->state == SESSION_ENDING && buf_len(&s->out) == 0) {
		conn_linger(c);
		return;
	}
	if (wants_read(s))
		events |= IO_READ;
	if (buf_len(&s->out))
		events |= IO_WRITE;
	io_want(&c->io, events);
	if (s->state != SESSION_IDLE)
		return;
	conns_set_idle(c, true);
	if (session_worker(s)->stopping)
		conn_close(c, false);
}

static void step(struct session *s)
{
	size_t before = buf_len(&s->out);

	session_write(s);
	if (s->state == SESSION_EXCHANGE && buf_len(&s->out) < before)
		exchange_drained(&s->exchange);
	if (s->state == SESSION_EXCHANGE && s->exchange.state == EXCHANGE_REST)
		become_idle(s);
	parse_kept(s);
	if (s->conn->state == CONN_OPEN && may_parse(s) && stream_has_more(s->conn->ssl))
		read_in(s);
	say_continue(s);
}

static void run(struct session *s)
{
	struct conn *c = s->conn;

	if (c->state != CONN_OPEN)
		return;
	s->running = true;
	do {
		s->again = false;
		step(s);
	} while (s->again && !s->broken && c->state == CONN_OPEN);
	s->running = false;
	if (c->state != CONN_OPEN)
		return;
	if (s->broken) {
		conn_close(c, false);
		return;
	}
	settle(s);
}

static void on_run_later(struct later *l)
{
	run(container_of(l, struct session, run_later));
}

/* Something changed that run() must see; it may be what is calling. */
void session_wake(struct session *s)
{
	if (s->running)
		s->again = true;
	else
		later_arm(&s->run_later, session_worker(s)->loop, on_run_later);
}

void session_on_ready(struct session *s, int events)
{
	struct conn *c = s->conn;

	s->running = true;
	if (events & IO_READ)
		read_in(s);
	s->running = false;
	if (c->state == CONN_OPEN)
		run(s);
}

void session_on_late(struct session *s)
{
	s->running = true;
	switch (s->state) {
	case SESSION_IDLE:
	case SESSION_DRAIN:
		s->state = SESSION_ENDING;
		break;
	case SESSION_HEAD:
		s->request_done = true;
		s->state = SESSION_EXCHANGE;
		s->keep = false;
		exchange_bad(&s->exchange, EG_REASON_header_timeout, NULL);
		break;
	case SESSION_EXCHANGE:
		exchange_late(&s->exchange);
		break;
	case SESSION_ENDING:
		s->broken = true;
		break;
	}
	s->running = false;
	run(s);
}

void session_abort(struct session *s, enum eg_reason reason)
{
	later_disarm(&s->run_later);
	exchange_abort(&s->exchange, reason);
}

struct session *session_new(struct conn *c)
{
	struct worker *w = c->w;
	struct h1_limits limits = { .head_max = w->set.head_bytes };
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->down.ops = &session_ops;
	s->conn = c;
	pool_init(&s->pool, 4 * w->set.head_bytes + POOL_MORE);
	buf_init(&s->in, AHEAD_MAX + 2 * SCRATCH_SIZE);
	buf_init(&s->out, w->set.buffer_bytes + 4 * w->set.head_bytes + 2 * SCRATCH_SIZE);
	exchange_init(&s->exchange, w, &s->down, &c->caller, &s->pool);
	s->requests = h1_new_request(&limits, &s->pool);
	if (!s->requests)
		return session_free(s);
	become_idle(s);
	return s;
}

struct session *session_free(struct session *s)
{
	if (!s)
		return NULL;
	session_abort(s, EG_REASON_client_gone);
	exchange_done(&s->exchange);
	s->requests = h1_free(s->requests);
	blocks_drop(&s->conn->w->blocks, &s->out);
	buf_release(&s->in);
	pool_clear(&s->pool, false);
	free(s);
	return NULL;
}
