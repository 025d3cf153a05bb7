/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/role.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "audit/recorder.h"
#include "base/log.h"
#include "daemon/sandbox.h"
#include "event/channel.h"
#include "proxy/worker.h"
#include "vault/vault.h"

struct started {
	int channel_fd;
	struct eg_start start;
	struct slice config;
	int fds[EG_MSG_FDS];
	unsigned n_fds;
};

static int vault_make(const struct started *s, struct diag *d, void **ret)
{
	struct vault *v;
	int r = vault_new(s->channel_fd, &s->start, s->config, s->fds, s->n_fds, d, &v);

	if (r == 0)
		*ret = v;
	return r;
}

static int vault_serve(void *v)
{
	int status = vault_run(v);

	(void)vault_free(v);
	return status;
}

static int recorder_make(const struct started *s, struct diag *d, void **ret)
{
	struct recorder *r;
	int error = recorder_new(s->channel_fd, &s->start, s->config, s->fds, s->n_fds, d, &r);

	if (error == 0)
		*ret = r;
	return error;
}

static int recorder_serve(void *r)
{
	int status = recorder_run(r);

	(void)recorder_free(r);
	return status;
}

static int worker_make(const struct started *s, struct diag *d, void **ret)
{
	struct worker *w;
	int r = worker_new(s->channel_fd, &s->start, s->config, s->fds, s->n_fds, d, &w);

	if (r == 0)
		*ret = w;
	return r;
}

static int worker_serve(void *w)
{
	int status = worker_run(w);

	(void)worker_free(w);
	return status;
}

/* Where an object is made while its files can still be reached, its maker runs as root: the worker
 * reads resolv.conf and OpenSSL its configuration. The recorder opens its own files as its user. */
static const struct {
	uint32_t role;
	const char *name;
	bool confined_first;
	int (*make)(const struct started *s, struct diag *d, void **ret);
	int (*serve)(void *object);
} roles[] = {
	{ EG_VAULT, "vault", false, vault_make, vault_serve },
	{ EG_RECORDER, "recorder", true, recorder_make, recorder_serve },
	{ EG_WORKER, "worker", false, worker_make, worker_serve },
};

const char *role_name(uint32_t role)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return NULL;
}

uint32_t role_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return 0;
}

static size_t position(uint32_t role)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(roles) - 1 && roles[i].role != role)
		i++;
	return i;
}

/* Blocks for the monitor's `start`; `body` holds it and the configuration behind it. */
static int receive_start(uint32_t role, char *body, size_t size, struct started *s, struct diag *d)
{
	ssize_t n = channel_recv_blocking(ROLE_CHANNEL_FD, EG_MSG_start, body, size, s->fds,
					  EG_MSG_FDS, &s->n_fds);

	if (n < (ssize_t)sizeof(s->start)) {
		(void)diag_at(d, 0, 0, "cannot read its start message: %s",
			      n < 0 ? strerror((int)-n) : "too short");
		return n < 0 ? (int)n : -EPROTO;
	}
	memcpy(&s->start, body, sizeof(s->start));
	s->config = slice_of(body + sizeof(s->start), (size_t)n - sizeof(s->start));
	s->channel_fd = ROLE_CHANNEL_FD;
	if (s->start.role != role) {
		(void)diag_at(d, 0, 0, "cannot start: the start message is for another role");
		return -EPROTO;
	}
	return 0;
}

static int parse_user(const char *as, struct sandbox_opts *o, struct diag *d)
{
	unsigned uid, gid;
	int end = 0;

	if (!as || sscanf(as, "%u:%u%n", &uid, &gid, &end) != 2 || as[end] != '\0' || uid == 0 ||
	    gid == 0)
		return diag_at(d, 0, 0, "--as: must be UID:GID, and not root");
	o->uid = uid;
	o->gid = gid;
	return 0;
}

static int prepare(const struct started *s, const struct sandbox_opts *o, struct diag *d,
		   void **ret)
{
	size_t at = position(o->role);
	int r = 0;

	if (roles[at].confined_first)
		r = sandbox_confine(o, d);
	if (r == 0)
		r = roles[at].make(s, d, ret);
	if (r == 0 && !roles[at].confined_first)
		r = sandbox_confine(o, d);
	if (r == 0)
		r = sandbox_close(o->role, d);
	return r;
}

int role_main(uint32_t role, const char *as, const char *root)
{
	_cleanup_free_ char *body = malloc(EG_MSG_MAX);
	struct sandbox_opts o = { .role = role, .root = root, .root_fd = -EBADF };
	struct started s = { 0 };
	struct diag d = { 0 };
	void *object = NULL;
	char text[800];
	int r;

	/* For ps and top: executed as /proc/self/exe, it would be called "exe". */
	(void)snprintf(text, sizeof(text), "egretd-%s", roles[position(role)].name);
	(void)prctl(PR_SET_NAME, text, 0, 0, 0);
	/* The monitor decides when to end; a terminal's interrupt is not for us. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Reads the time zone's file while it can; later calls only look at what it knows. */
	tzset();
	log_setup(role_name(role), LOG_INFO, false);
	r = body ? parse_user(as, &o, &d) : -ENOMEM;
	if (r == 0)
		r = receive_start(role, body, EG_MSG_MAX, &s, &d);
	if (r == 0) {
		log_setup(role_name(role), (enum log_level)s.start.log_level, s.start.log_json);
		if (!root && s.n_fds)
			o.root_fd = s.fds[0];
		r = prepare(&s, &o, &d, &object);
	}
	if (r < 0) {
		diag_format(&d, text, sizeof(text));
		log_error("cannot start: %s", *text ? text : strerror(-r));
		return 1;
	}
	/* It held the fingerprint key; the object has its own copy. */
	explicit_bzero(body, EG_MSG_MAX);
	explicit_bzero(&s.start, sizeof(s.start));
	return roles[position(role)].serve(object);
}
