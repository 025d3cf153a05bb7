/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control server in a child process, with handlers for every way a request can end, and raw
 * sockets to be rude to it. For the tests of control/.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "control/client.h"
#include "control/server.h"

#define GROUP  54321 /* may READ */
#define RUNNER 54322 /* uid that may RUN */

struct served {
	char dir[64], path[96];
	pid_t pid;
};

static struct request *held; /* in the server: by "hold" */
static struct timer held_timer;
static unsigned gone; /* clients that went while their request was held */
static unsigned produced; /* rows that the last "rows" could hand over */

/*
 * Bounds of the server: patient by default, so that no test depends on how fast the machine is; a
 * test about one of the bounds asks for a server with that one short.
 */
static struct control_opts patient = { .answer_max = 256 * 1024,
				       .request_us = 60000000,
				       .answer_us = 60000000,
				       .stall_us = 60000000 };
/* As on a kernel before 6.16. */
static struct control_opts takes_rights = { .request_us = 60000000,
					    .answer_us = 60000000,
					    .stall_us = 60000000 };

static void do_echo(void *ctx, struct request *req)
{
	(void)ctx;
	request_end(req, json_incref(request_args(req)));
}

static void do_rows(void *ctx, struct request *req)
{
	uint64_t n = 0, size = 1;
	char *text;

	(void)ctx;
	if (!request_number(req, "n", &n) || !request_number(req, "size", &size))
		return;
	text = malloc(size + 1);
	memset(text, 'x', size);
	text[size] = '\0';
	for (produced = 0; produced < n; produced++)
		if (request_row(req,
				json_pack("{sI ss}", "i", (json_int_t)produced, "text", text)) < 0)
			break;
	free(text);
	request_end(req, NULL);
}

static void on_held_timer(struct timer *t)
{
	(void)t;
	if (held)
		request_end(held, json_pack("{sb}", "late", 1));
	held = NULL;
}

static void do_later(void *ctx, struct request *req)
{
	held = req;
	timer_start(&held_timer, ctx, 20000, on_held_timer);
}

static void on_gone(void *ctx, struct request *req, bool server_gone)
{
	(void)ctx;
	gone++;
	if (!server_gone)
		request_end(req, NULL);
}

static void do_hold(void *ctx, struct request *req)
{
	request_on_gone(req, on_gone, ctx);
}

static void do_watch(void *ctx, struct request *req)
{
	(void)!request_row(req, json_pack("{si}", "i", 1));
	request_on_gone(req, on_gone, ctx);
}

static void do_count(void *ctx, struct request *req)
{
	(void)ctx;
	request_end(req, json_pack("{sI sI}", "gone", (json_int_t)gone, "produced",
				   (json_int_t)produced));
}

static void do_text(void *ctx, struct request *req)
{
	const json_t *text = json_object_get(request_args(req), "text");

	(void)ctx;
	request_end(req, json_pack("{sI}", "length", (json_int_t)json_string_length(text)));
}

static void do_take(void *ctx, struct request *req)
{
	static const char text[] = "{\"end\":{\"by\":\"another\"}}\n";
	_cleanup_close_ int fd = request_take_fd(req);

	(void)ctx;
	if (fd >= 0)
		(void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
}

static void do_peer(void *ctx, struct request *req)
{
	const struct control_peer *p = request_peer(req);
	struct request *r = req;

	(void)ctx;
	request_end(r, json_pack("{sI sI sI sI sb}", "pid", (json_int_t)p->pid, "uid",
				 (json_int_t)p->uid, "gid", (json_int_t)p->gid, "groups",
				 (json_int_t)p->n_groups, "pidfd", p->pidfd >= 0));
}

static void do_diag(void *ctx, struct request *req)
{
	struct diag d = { .file = "p.json", .line = 3, .col = 7, .text = "rules: must be a list" };

	(void)ctx;
	request_diag(req, "bad_policy", &d);
}

static bool may_run(void *ctx, const struct control_peer *p, const json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "workload"));

	(void)ctx;
	return p->uid == RUNNER && name && strcmp(name, "dev") == 0;
}

static void on_term(struct sig *s, int signo)
{
	(void)signo;
	loop_stop(s->loop);
}

static const struct control_command commands[] = {
	{ "echo", CONTROL_READ, CONTROL_PLAIN, do_echo },
	{ "rows", CONTROL_READ, CONTROL_PLAIN, do_rows },
	{ "later", CONTROL_READ, CONTROL_PLAIN, do_later },
	{ "hold", CONTROL_READ, CONTROL_PLAIN, do_hold },
	{ "watch", CONTROL_READ, CONTROL_WATCH, do_watch },
	{ "count", CONTROL_READ, CONTROL_PLAIN, do_count },
	{ "text", CONTROL_READ, CONTROL_TEXT, do_text },
	{ "take", CONTROL_ADMIN, CONTROL_PLAIN, do_take },
	{ "peer", CONTROL_READ, CONTROL_PLAIN, do_peer },
	{ "diag", CONTROL_READ, CONTROL_PLAIN, do_diag },
	{ "run", CONTROL_RUN, CONTROL_PLAIN, do_peer },
};

static void serve_forever(int fd, struct control_opts o)
{
	struct loop *l = loop_new();
	struct control_server *s;
	struct sig term = { 0 };

	o.commands = commands;
	o.n_commands = ARRAY_SIZE(commands);
	o.ctx = l;
	o.has_group = true;
	o.read_group = GROUP;
	o.may_run = may_run;
	o.conns_max = 6;
	o.conns_per_uid = 3;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!l || control_server_new(l, fd, &o, &s) < 0)
		_exit(70);
	sig_start(&term, l, SIGTERM, on_term);
	loop_run(l);
	(void)control_server_free(s);
	timer_stop(&held_timer);
	sig_stop(&term);
	(void)loop_free(l);
	exit(0); /* not _exit(): leak checkers look at exit */
}

/* ---- rude clients ---- */

static int raw_connect(const struct served *v)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", v->path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Everything until the server closes; the caller frees. */
static char *read_all(int fd)
{
	size_t n = 0, size = 4096;
	char *text = malloc(size);
	ssize_t got;

	while ((got = read(fd, text + n, size - n - 1)) > 0) {
		n += (size_t)got;
		if (size - n < 2) {
			size *= 2;
			text = realloc(text, size);
		}
	}
	text[n] = '\0';
	return text;
}

static char *raw_ask(const struct served *v, const char *bytes, size_t n)
{
	int fd = raw_connect(v);
	char *text;

	(void)!send(fd, bytes, n, MSG_NOSIGNAL);
	text = read_all(fd);
	close(fd);
	return text;
}

/* ---- its life ---- */

/* *state: the bounds, then the server. */
static int start_server(void **state)
{
	const struct control_opts *o = *state;
	struct served *v = calloc(1, sizeof(*v));
	struct diag d = { 0 };
	int fd = -EBADF;

	(void)snprintf(v->dir, sizeof(v->dir), "/tmp/egret-control-XXXXXX");
	if (!mkdtemp(v->dir) || chmod(v->dir, 0755) < 0)
		return -1;
	(void)snprintf(v->path, sizeof(v->path), "%s/control.sock", v->dir);
	if (control_listen(v->path, &d, &fd) < 0)
		return -1;
	if (o == &takes_rights)
		(void)setsockopt(fd, SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &(int){ 1 }, sizeof(int));
	v->pid = fork();
	if (v->pid == 0) {
		free(v);
		serve_forever(fd, *o);
	}
	close(fd);
	*state = v;
	free(raw_ask(v, "{\"cmd\":\"echo\"}\n", 15)); /* it serves, and takes its signal */
	return v->pid > 0 ? 0 : -1;
}

/* The server must also end well. */
static int stop_server(void **state)
{
	struct served *v = *state;
	int status = -1;

	(void)kill(v->pid, SIGTERM);
	(void)waitpid(v->pid, &status, 0);
	(void)unlink(v->path);
	(void)rmdir(v->dir);
	free(v);
	return status;
}

#define SERVED_BY(opts, test)                                                                      \
	cmocka_unit_test_prestate_setup_teardown(test, start_server, stop_server, &(opts))
#define SERVED(test) SERVED_BY(patient, test)
