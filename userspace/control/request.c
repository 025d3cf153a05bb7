/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the control socket: the request read within bounds, the answer sent as the
 * client takes it. Only finish() and request_free() end it, so the last act of a callback.
 */
#include <assert.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "control/conn.h"
#include "control/patience.h"

#define FLUSH_AT    65536u /* rows are batched to about this much */
#define MESSAGE_MAX 1024
#define READ_MAX    65536u /* bytes of a request, at once */

static void on_ready(struct io *io, int events);

/* ---- life ---- */

static void on_deadline(struct timer *t);

int request_new(struct control_server *s, int fd, struct control_peer *peer)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->server = s;
	r->fd = fd;
	r->peer = *peer;
	buf_init(&r->in, peer->uid == 0 ? CONTROL_TEXT_MAX : CONTROL_REQUEST_MAX);
	buf_init(&r->out, s->opts.answer_max);
	r->next = s->requests;
	r->prev = &s->requests;
	if (r->next)
		r->next->prev = &r->next;
	s->requests = r;
	io_start(&r->io, s->loop, fd, IO_READ, on_ready);
	timer_start(&r->deadline, s->loop, s->opts.request_us, on_deadline);
	return 0;
}

void request_close(const struct control_server *s, int *fd)
{
	if (s->is_patient)
		patience_begin();
	cleanup_close(fd);
	if (s->is_patient)
		patience_end();
	*fd = -EBADF;
}

/* Descriptors that ride along are nobody's: the kernel drops them here. */
static ssize_t receive(struct request *r, char *to, size_t n)
{
	ssize_t got;

	if (r->server->is_patient)
		patience_begin();
	got = recv(r->fd, to, n, MSG_DONTWAIT);
	if (r->server->is_patient)
		patience_end();
	return got;
}

static void hang_up(struct request *r)
{
	io_stop(&r->io);
	timer_stop(&r->deadline);
	timer_stop(&r->stall);
	request_close(r->server, &r->fd);
	buf_release(&r->out);
}

void request_free(struct request *r)
{
	hang_up(r);
	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (!r->root || json_object_get(r->root, "args") != r->args)
		json_decref(r->args);
	json_decref(r->root);
	buf_release(&r->in);
	peer_clear(&r->peer);
	free(r);
}

/* The client is no longer there. A request that a handler holds waits for its end. */
static void lose_client(struct request *r)
{
	if (r->state != REQUEST_RUNNING) {
		request_free(r);
		return;
	}
	hang_up(r);
	r->state = REQUEST_GONE;
	if (r->on_gone)
		r->on_gone(r->gone_ctx, r, false);
}

/* ---- sending ---- */

static void on_stall(struct timer *t)
{
	lose_client(container_of(t, struct request, stall));
}

/* Sends what the client takes now: 0, or -errno when there is no client any more. */
static int flush(struct request *r)
{
	bool moved = false;

	while (buf_len(&r->out)) {
		struct slice s = buf_slice(&r->out);
		ssize_t n = send(r->fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		buf_consume(&r->out, (size_t)n);
		moved = true;
	}
	if (buf_len(&r->out) == 0)
		timer_stop(&r->stall);
	else if (moved || !timer_is_running(&r->stall))
		timer_start(&r->stall, r->server->loop, r->server->opts.stall_us, on_stall);
	io_want(&r->io, (buf_len(&r->out) ? IO_WRITE : 0) |
				(r->state == REQUEST_RUNNING && !r->input_ended ? IO_READ : 0));
	return 0;
}

static int append_json(const char *p, size_t n, void *out)
{
	return buf_append(out, p, n) < 0 ? -1 : 0;
}

/* {"KIND":value} and a newline; all of it or nothing. */
static int append_line(struct request *r, const char *kind, const json_t *value)
{
	size_t before = buf_len(&r->out);

	if (buf_printf(&r->out, "{\"%s\":", kind) == 0 &&
	    json_dump_callback(value, append_json, &r->out, JSON_COMPACT) == 0 &&
	    buf_append(&r->out, "}\n", 2) == 0) {
		r->answered = true;
		return 0;
	}
	r->out.end = r->out.start + before;
	return -ENOBUFS;
}

/* Ends the request with a line, or without one when it could not be made: a broken-off answer. */
static void finish(struct request *r, const char *kind, json_t *value)
{
	if (r->state == REQUEST_DEAD || r->state == REQUEST_GONE) {
		json_decref(value);
		if (r->state == REQUEST_GONE)
			request_free(r);
		return;
	}
	timer_stop(&r->deadline);
	r->state = REQUEST_DRAINING;
	if (value)
		(void)append_line(r, kind, value);
	json_decref(value);
	if (flush(r) < 0 || buf_len(&r->out) == 0)
		request_free(r);
}

int request_row(struct request *r, json_t *row)
{
	int error;

	if (!row)
		return -ENOMEM;
	error = r->state == REQUEST_RUNNING ? append_line(r, "row", row) : -EPIPE;
	json_decref(row);
	if (error == -ENOBUFS) {
		/* Too slow a reader: the callback must not run inside its own producer, so the
		 * client is cut off here and told to the handler by the return value alone. */
		hang_up(r);
		r->state = REQUEST_GONE;
		return -EPIPE;
	}
	if (error)
		return error;
	if (buf_len(&r->out) < FLUSH_AT) {
		io_want(&r->io, IO_WRITE | (r->input_ended ? 0 : IO_READ));
		return 0;
	}
	if (flush(r) == 0)
		return 0;
	hang_up(r);
	r->state = REQUEST_GONE;
	return -EPIPE;
}

void request_end(struct request *r, json_t *end)
{
	finish(r, "end", end ? end : json_object());
}

static json_t *make_error(const char *reason, const char *message)
{
	json_t *e = json_pack("{ss ss}", "reason", reason, "message", message);

	/* Only bytes that are not UTF-8 can be the matter; the reason alone still says something.
	 */
	return e ? e : json_pack("{ss ss}", "reason", reason, "message", reason);
}

void request_error(struct request *r, const char *reason, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	finish(r, "error", make_error(reason, text));
}

void request_diag(struct request *r, const char *reason, const struct diag *d)
{
	json_t *e = make_error(reason, d->text);

	if (e && d->file[0])
		(void)json_object_set_new(e, "file", json_string(d->file));
	if (e && d->line) {
		(void)json_object_set_new(e, "line", json_integer(d->line));
		(void)json_object_set_new(e, "col", json_integer(d->col));
	}
	finish(r, "error", e);
}

/* Nothing that the client sends from here on, or sent, is left for the next owner to close. */
static void empty(struct request *r)
{
	char bytes[512];

	(void)shutdown(r->fd, SHUT_RD);
	while (receive(r, bytes, sizeof(bytes)) > 0)
		;
}

int request_take_fd(struct request *r)
{
	int fd;

	assert(!r->answered);
	if (r->state != REQUEST_RUNNING) {
		finish(r, "end", NULL);
		return -EPIPE;
	}
	io_stop(&r->io);
	if (r->server->is_patient)
		empty(r);
	fd = TAKE_FD(r->fd);
	request_free(r);
	return fd;
}

static void on_deadline(struct timer *t)
{
	struct request *r = container_of(t, struct request, deadline);
	json_t *e;

	if (r->state == REQUEST_READING) {
		request_error(r, "timeout",
			      "request: it did not arrive in time: send one line at once");
		return;
	}
	/* The handler still holds it: one try to say why, then it is as if the client had gone. */
	e = make_error("timeout", "egretd: no answer in time: see its log");

	if (e && append_line(r, "error", e) == 0)
		(void)flush(r);
	json_decref(e);
	lose_client(r);
}

/* ---- receiving ---- */

static bool has_only_known(const json_t *root)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)root, key,
			    value) if (strcmp(key, "cmd") != 0 &&
				       strcmp(key, "args") != 0) return false;
	return true;
}

static void start(struct request *r, size_t n)
{
	const struct control_server *s = r->server;
	const char *name;
	json_error_t e;

	if (n + 1 != buf_len(&r->in)) {
		request_error(r, "bad_request",
			      "request: bytes after its line: send one a connection");
		return;
	}
	r->root = json_loadb(buf_slice(&r->in).p, n, JSON_REJECT_DUPLICATES, &e);
	name = json_string_value(json_object_get(r->root, "cmd"));
	r->args = json_object_get(r->root, "args");
	if (!r->args)
		r->args = json_object();
	if (!name || !json_is_object(r->args) || !has_only_known(r->root)) {
		request_error(r, "bad_request",
			      "request: must be {\"cmd\": string, \"args\": object}: %s",
			      r->root ? "it is JSON of another shape" : e.text);
		return;
	}
	r->state = REQUEST_RUNNING;
	timer_stop(&r->deadline);
	timer_start(&r->deadline, s->loop, s->opts.answer_us, on_deadline);
	server_dispatch(r->server, r, name);
}

static size_t longest(const struct request *r)
{
	return r->peer.uid == 0 ? CONTROL_TEXT_MAX : CONTROL_REQUEST_MAX;
}

static void read_request(struct request *r)
{
	size_t room = longest(r) - buf_len(&r->in);
	size_t want = room < READ_MAX ? room : READ_MAX;
	char *to = buf_reserve(&r->in, want);
	const char *newline;
	struct slice have;
	ssize_t n;

	if (!to) {
		request_free(r);
		return;
	}
	n = receive(r, to, want);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		request_free(r);
		return;
	}
	buf_commit(&r->in, (size_t)n);
	have = buf_slice(&r->in);
	newline = memchr(have.p + r->scanned, '\n', have.n - r->scanned);
	r->scanned = have.n;
	if (newline)
		start(r, (size_t)(newline - have.p));
	else if (have.n >= longest(r))
		request_error(r, "too_large", "request: longer than %zu bytes", longest(r));
}

/* While the answer is being made: nothing may come but the end. */
static void watch_client(struct request *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLRDHUP };
	char byte;
	ssize_t n = receive(r, &byte, 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0 && poll(&p, 1, 0) >= 0 && !(p.revents & (POLLHUP | POLLERR))) {
		r->input_ended = true; /* closed for writing only, as socat does: it still reads */
		io_want(&r->io, buf_len(&r->out) ? IO_WRITE : 0);
		return;
	}
	lose_client(r);
}

static void on_ready(struct io *io, int events)
{
	struct request *r = container_of(io, struct request, io);

	if ((events & IO_WRITE) && buf_len(&r->out)) {
		int error = flush(r);

		if (error < 0) {
			lose_client(r);
			return;
		}
		if (r->state == REQUEST_DRAINING && buf_len(&r->out) == 0) {
			request_free(r);
			return;
		}
	}
	if (!(events & IO_READ))
		return;
	if (r->state == REQUEST_READING)
		read_request(r);
	else if (r->state == REQUEST_RUNNING)
		watch_client(r);
}
