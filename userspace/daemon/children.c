/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/children.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/answer.h"
#include "daemon/children_private.h"
#include "daemon/credentials.h"
#include "daemon/events.h"
#include "daemon/predecessors.h"
#include "daemon/listeners.h"
#include "daemon/role.h"
#include "daemon/slabs.h"
#include "daemon/trust.h"
#include "daemon/trusted.h"
#include "daemon/users.h"
#include "daemon/warnings.h"
#include "event/channel.h"

#define READY_US	20000000u
#define FILES_PER_CONN	6u /* client, provider, and two pipes while splicing */
#define FILES_PER_NETNS 2u /* listeners, IPv4 and IPv6 */
#define FILES_BASE	1024u

#define LABEL_SIZE	64

static const char *label(const struct kin *k, char to[LABEL_SIZE])
{
	const struct child *c = k->child;
	int n = child_role(c) == EG_WORKER
			? snprintf(to, LABEL_SIZE, "worker %u", child_index(c))
			: snprintf(to, LABEL_SIZE, "%s", role_name(child_role(c)));

	if (child_is_adopted(c))
		(void)snprintf(to + n, LABEL_SIZE - (size_t)n, " of generation %llu",
			       (unsigned long long)k->generation);
	return to;
}

/* ---- what happens to a child ---- */

static int on_started(void *ctx, struct child *child)
{
	struct kin *k = ctx;
	char name[LABEL_SIZE];
	int r = wiring_started(k->set, child);

	if (r < 0)
		log_error("%s cannot be started: %s", label(k, name), strerror(-r));
	return r;
}

static void on_ready(void *ctx, struct child *child)
{
	struct kin *k = ctx;
	char name[LABEL_SIZE];

	log_info("%s is ready: pid=%d", label(k, name), (int)child_pid(child));
	monitor_advance(k->set->m);
}

static void on_msg(void *ctx, struct child *child, struct msg *m)
{
	struct kin *k = ctx;

	answer_msg(k->set->m, child, m);
}

static void stop_rest(struct children *c);

/* end: what becomes of it now. */
static void report_death(struct monitor *m, const struct child *child, const char *name,
			 const char *how, const char *end)
{
	struct eg_note note = { .time_us = clock_wall_us(),
				.reason = child_role(child) == EG_WORKER
						  ? EG_REASON_worker_died
						  : EG_REASON_credential_unavailable };

	log_error("%s %s; %s", name, how, end);
	(void)snprintf(note.text, sizeof(note.text), "%s %s", name, how);
	/* The recorder's own death is in the log and in `egret status`. */
	if (child_role(child) != EG_RECORDER)
		events_note(m->events, "monitor", &note);
}

static void on_gone(void *ctx, struct child *child, const char *how, bool was_ready)
{
	struct kin *k = ctx;
	struct children *c = k->set;
	struct child *recorder = children_recorder(c);
	char name[LABEL_SIZE];

	(void)label(k, name);
	if (child_role(child) == EG_VAULT && !child_is_adopted(child))
		credentials_set_vault(c->m->credentials, NULL);
	if (child_role(child) == EG_RECORDER)
		warnings_clear(c->m->warnings, ANSWER_RECORDER);
	if (child_role(child) == EG_WORKER && child_channel(recorder))
		(void)!slabs_send_orphan(child_channel(recorder), k->slab);
	if (child_state(child) == CHILD_STOPPED) {
		if (child_is_adopted(child) && child_has_failed(child))
			report_death(c->m, child, name, how,
				     child_role(child) == EG_WORKER ? "what it carried is cut"
								    : "its successor goes on");
		else
			log_info("%s %s", name, how);
		if (child_is_adopted(child))
			predecessors_gone(c, k);
		stop_rest(c);
	} else if (c->m->phase == MONITOR_STARTING && !was_ready) {
		monitor_fail(c->m, "%s %s before it was ready: see its lines above", name, how);
	} else {
		report_death(c->m, child, name, how, "it is started again");
	}
}

const struct child_events children_events = { on_started, on_ready, on_msg, on_gone };

/* ---- making them ---- */

static const struct {
	uint32_t role;
	const char *key;
	size_t user; /* offset in struct config */
} users[] = {
	{ EG_VAULT, "users.vault", offsetof(struct config, user_vault) },
	{ EG_RECORDER, "users.recorder", offsetof(struct config, user_recorder) },
	{ EG_WORKER, "users.worker", offsetof(struct config, user_worker) },
};

static int find_user(const struct config *config, uint32_t role, struct diag *d, uid_t *uid,
		     gid_t *gid)
{
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (users[i].role == role)
			return users_find(users[i].key,
					  *(char *const *)((const char *)config + users[i].user), d,
					  uid, gid);
	return -EINVAL;
}

static uint64_t files_max(const struct config *config, uint32_t role)
{
	if (role != EG_WORKER)
		return FILES_BASE;
	return config->connections * FILES_PER_CONN + config->namespaces * FILES_PER_NETNS +
	       FILES_BASE;
}

static int add(struct children *c, uint32_t role, unsigned index, struct diag *d)
{
	struct kin *k = &c->v[c->n];
	struct child_opts o = { .role = role,
				.index = index,
				.exe = "/proc/self/exe",
				.argv = k->argv,
				.ready_us = READY_US,
				.files_max = files_max(c->m->config, role),
				.events = &children_events,
				.ctx = k };
	size_t n = 0;
	uid_t uid;
	gid_t gid;
	int r;

	r = find_user(c->m->config, role, d, &uid, &gid);
	if (r < 0)
		return r;
	(void)snprintf(k->as, sizeof(k->as), "%u:%u", uid, gid);
	k->set = c;
	k->argv[n++] = "egretd";
	k->argv[n++] = "--role";
	k->argv[n++] = role_name(role);
	k->argv[n++] = "--as";
	k->argv[n++] = k->as;
	if (role != EG_RECORDER) {
		k->argv[n++] = "--root";
		k->argv[n++] = c->empty;
	}
	k->generation = c->m->generation;
	k->slab = role == EG_WORKER ? slabs_number(c->slabs, index) : 0;
	r = child_new(c->m->loop, &o, &k->child);
	if (r == 0)
		c->n++;
	return r;
}

/* The recorder's directory is its own; all else below the state directory is root's. */
static int open_audit(struct children *c, struct diag *d)
{
	char path[4096];
	struct stat st;
	uid_t uid;
	gid_t gid;
	int r;

	(void)snprintf(path, sizeof(path), "%s/audit", c->m->config->state_dir);
	r = find_user(c->m->config, EG_RECORDER, d, &uid, &gid);
	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0) {
		c->audit_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (c->audit_fd < 0 || fstat(c->audit_fd, &st) < 0 ||
		    (st.st_uid != uid && fchown(c->audit_fd, uid, gid) < 0) ||
		    fchmod(c->audit_fd, 0700) < 0)
			r = -errno;
	}
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot make the audit directory %s: %s", path,
			      strerror(-r));
	return r;
}

static int add_all(struct children *c, struct diag *d)
{
	int r;

	r = add(c, EG_VAULT, 0, d);
	if (r == 0)
		r = add(c, EG_RECORDER, 0, d);
	for (unsigned i = 0; r == 0 && i < c->n_workers; i++)
		r = add(c, EG_WORKER, i, d);
	return r;
}

int children_new(struct monitor *m, struct diag *d, struct children **ret)
{
	struct children *c = calloc(1, sizeof(*c));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	if (!c)
		return -ENOMEM;
	c->m = m;
	c->audit_fd = c->trust_fd = -EBADF;
	c->n_workers = m->config->workers ? (unsigned)m->config->workers
		       : cpus > 0	  ? (unsigned)cpus
					  : 1;
	c->v = calloc(c->n_workers + 2, sizeof(*c->v));
	(void)snprintf(c->empty, sizeof(c->empty), "%s/empty", m->config->run_dir);
	r = c->v ? trusted_directory(c->empty, 0555, d) : -ENOMEM;
	if (r == 0)
		r = open_audit(c, d);
	if (r == 0)
		r = slabs_new(m->config->run_dir, c->n_workers, json_object_get(m->taken, "slabs"),
			      d, &c->slabs);
	if (r == 0)
		r = trust_upstream(m->config, d, &c->trust_fd);
	if (r == 0)
		r = add_all(c, d);
	if (r < 0) {
		(void)children_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct children *children_free(struct children *c)
{
	if (!c)
		return NULL;
	for (size_t i = c->n; i-- > 0;)
		(void)child_free(c->v[i].child);
	predecessors_free(c);
	(void)slabs_free(c->slabs);
	cleanup_close(&c->audit_fd);
	cleanup_close(&c->trust_fd);
	free(c->v);
	free(c);
	return NULL;
}

int children_start(struct children *c, struct diag *d)
{
	char name[LABEL_SIZE];
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		if (child_role(c->v[i].child) == EG_RECORDER && predecessors_record(c))
			continue; /* its successor begins when it has ended */
		r = child_start(c->v[i].child);
		if (r < 0)
			(void)diag_at(d, 0, 0, "cannot start the %s: %s", label(&c->v[i], name),
				      strerror(-r));
	}
	return r;
}

/* Workers go first: what they decided is still to be recorded. */
static void stop_rest(struct children *c)
{
	bool workers_left = false, others_left = false;

	if (!c->on_stopped)
		return;
	for (size_t i = 0; i < c->n_old; i++)
		workers_left = workers_left || child_pid(c->old[i].child);
	for (size_t i = 2; i < c->n; i++)
		workers_left = workers_left || child_state(c->v[i].child) != CHILD_STOPPED;
	if (workers_left)
		return;
	for (size_t i = 0; i < 2 && i < c->n; i++) {
		child_stop(c->v[i].child, c->deadline_ms);
		others_left = others_left || child_state(c->v[i].child) != CHILD_STOPPED;
	}
	if (!others_left) {
		void (*on_stopped)(struct monitor * m) = c->on_stopped;

		c->on_stopped = NULL;
		on_stopped(c->m);
	}
}

void children_stop(struct children *c, uint32_t deadline_ms, void (*on_stopped)(struct monitor *m))
{
	c->on_stopped = on_stopped;
	c->deadline_ms = deadline_ms;
	predecessors_stop(c, deadline_ms);
	for (size_t i = 2; i < c->n; i++)
		child_stop(c->v[i].child, deadline_ms);
	stop_rest(c);
}

/* ---- what others ask ---- */

bool children_ready(const struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (child_state(c->v[i].child) != CHILD_READY)
			return false;
	return true;
}

size_t children_count(const struct children *c)
{
	return c->n + c->n_old;
}

struct child *children_at(const struct children *c, size_t i)
{
	return i < c->n ? c->v[i].child : c->old[i - c->n].child;
}

unsigned children_workers(const struct children *c)
{
	return c->n_workers;
}

struct child *children_vault(const struct children *c)
{
	return c->v[0].child;
}

struct child *children_recorder(const struct children *c)
{
	return c->v[1].child;
}

struct child *children_worker(const struct children *c, unsigned index)
{
	return c->v[2 + index].child;
}

/* ---- to all workers; one that cannot be told is replaced, and its successor is told ---- */

static void tell(struct children *c, int (*send)(struct children *c, struct child *worker))
{
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct child *w = children_worker(c, i);

		if (child_channel(w) && send(c, w) < 0)
			child_kill(w);
	}
}

void children_send_policy(struct children *c)
{
	tell(c, wiring_send_policy);
	predecessors_send_policy(c);
}

void children_send_resolvers(struct children *c)
{
	tell(c, wiring_send_resolvers);
}

void children_send_log_level(struct children *c)
{
	struct eg_log_level body = { 0 };
	enum log_level level = LOG_INFO;

	(void)log_level_of(c->m->config->log_level, &level);
	body.level = level;
	for (size_t i = 0; i < c->n; i++) {
		struct child *child = c->v[i].child;

		/* One that cannot be told starts anew, at that level. */
		if (child_channel(child) && channel_send(child_channel(child), EG_MSG_log_level,
							 &body, sizeof(body), NULL, 0) < 0)
			child_kill(child);
	}
}

void children_set_trust(struct children *c, int fd)
{
	cleanup_close(&c->trust_fd);
	c->trust_fd = fd;
	tell(c, wiring_send_trust);
}

static int send_v6(struct children *c, struct child *worker)
{
	return listeners_send(c->m->listeners, child_channel(worker), child_index(worker),
			      AF_INET6);
}

void children_send_listeners6(struct children *c)
{
	tell(c, send_v6);
}

bool children_settled(const struct children *c)
{
	for (size_t i = 0; i < children_count(c); i++) {
		const struct child *child = children_at(c, i);
		const struct channel *ch = child_channel(child);

		if (ch ? !channel_is_flushed(ch) : child_pid(child) != 0)
			return false;
	}
	return true;
}
