/* SPDX-License-Identifier: Apache-2.0 */
/* Connections in, bounded in number; who may do what. What happens on one is in request.c. */
#include "control/server.h"

#include <string.h>
#include <sys/socket.h>

#include "control/conn.h"
#include "control/patience.h"

#define CONNS_MAX     64u
#define CONNS_PER_UID 8u
#define ANSWER_MAX    (8u << 20)
#define REQUEST_US    5000000u
#define ANSWER_US     60000000u
#define STALL_US      10000000u
#define PAUSE_US      100000u
#define ACCEPTS_MAX   32 /* in a row, so that others on the loop get their turn */

/* Root is counted apart, so that others cannot keep it out. */
static bool is_full(const struct control_server *s, uid_t uid)
{
	unsigned same = 0, others = 0;

	for (const struct request *r = s->requests; r; r = r->next) {
		same += r->peer.uid == uid;
		others += r->peer.uid != 0;
	}
	if (uid == 0)
		return same >= s->opts.conns_max;
	return same >= s->opts.conns_per_uid || others >= s->opts.conns_max;
}

static void refuse_busy(int fd)
{
	static const char text[] =
		"{\"error\":{\"reason\":\"busy\",\"message\":\"control socket: too many "
		"connections of this user: try again\"}}\n";

	(void)!send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve(struct control_server *s, int fd)
{
	struct control_peer peer;

	if (peer_read(fd, &peer) < 0) {
		request_close(s, &fd);
		return;
	}
	if (is_full(s, peer.uid))
		refuse_busy(fd);
	else if (request_new(s, fd, &peer) == 0)
		return;
	peer_clear(&peer);
	request_close(s, &fd);
}

static void on_pause_over(struct timer *t)
{
	io_want(&container_of(t, struct control_server, pause)->io, IO_READ);
}

static void on_connection(struct io *io, int events)
{
	struct control_server *s = container_of(io, struct control_server, io);

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			serve(s, fd);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		/* Out of descriptors or memory: the listener stays readable, so do not spin. */
		io_want(&s->io, 0);
		timer_start(&s->pause, s->loop, PAUSE_US, on_pause_over);
		return;
	}
}

static bool may(const struct control_server *s, const struct request *r)
{
	const struct control_opts *o = &s->opts;

	if (r->peer.uid == 0)
		return true;
	switch (r->command->access) {
	case CONTROL_READ:
		return o->has_group && peer_is_in_group(&r->peer, o->read_group);
	case CONTROL_RUN:
		return o->may_run && o->may_run(o->ctx, &r->peer, r->args);
	case CONTROL_ADMIN:
		break;
	}
	return false;
}

static const char *remedy(enum control_access access)
{
	switch (access) {
	case CONTROL_READ:
		return "run it as root, or join the group that control_group names in egret.json";
	case CONTROL_RUN:
		return "ask for an entry under `run` in egret.json";
	case CONTROL_ADMIN:
		break;
	}
	return "run it as root";
}

void server_dispatch(struct control_server *s, struct request *r, const char *name)
{
	for (size_t i = 0; i < s->opts.n_commands && !r->command; i++)
		if (strcmp(s->opts.commands[i].name, name) == 0)
			r->command = &s->opts.commands[i];
	if (!r->command) {
		request_error(r, "unknown_command",
			      "this egretd has no command \"%.64s\": are egret and egretd of one "
			      "version?",
			      name);
		return;
	}
	if (buf_len(&r->in) > CONTROL_REQUEST_MAX && r->command->form != CONTROL_TEXT) {
		request_error(r, "too_large", "request: longer than %d bytes", CONTROL_REQUEST_MAX);
		return;
	}
	if (!may(s, r)) {
		request_error(r, "not_allowed", "user %u may not do this: %s", r->peer.uid,
			      remedy(r->command->access));
		return;
	}
	if (r->command->form == CONTROL_WATCH)
		timer_stop(&r->deadline);
	r->command->run(s->opts.ctx, r);
}

static void set_defaults(struct control_opts *o)
{
	o->conns_max = o->conns_max ?: CONNS_MAX;
	o->conns_per_uid = o->conns_per_uid ?: CONNS_PER_UID;
	o->answer_max = o->answer_max ?: ANSWER_MAX;
	o->request_us = o->request_us ?: REQUEST_US;
	o->answer_us = o->answer_us ?: ANSWER_US;
	o->stall_us = o->stall_us ?: STALL_US;
}

int control_server_new(struct loop *l, int listen_fd, const struct control_opts *o,
		       struct control_server **ret)
{
	struct control_server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->fd = listen_fd;
	s->is_patient = patience_is_needed(listen_fd);
	s->opts = *o;
	set_defaults(&s->opts);
	io_start(&s->io, l, listen_fd, IO_READ, on_connection);
	*ret = s;
	return 0;
}

struct control_server *control_server_free(struct control_server *s)
{
	struct request *r;

	if (!s)
		return NULL;
	while ((r = s->requests)) {
		bool is_held = r->state == REQUEST_RUNNING || r->state == REQUEST_GONE;

		r->state = REQUEST_DEAD;
		if (is_held && r->on_gone)
			r->on_gone(r->gone_ctx, r, true);
		request_free(r);
	}
	io_stop(&s->io);
	timer_stop(&s->pause);
	cleanup_close(&s->fd);
	free(s);
	return NULL;
}

int control_server_fd(const struct control_server *s)
{
	return s->fd;
}

void control_server_set_group(struct control_server *s, bool has_group, gid_t read_group)
{
	s->opts.has_group = has_group;
	s->opts.read_group = read_group;
}
