/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/upgrade.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/answer.h"
#include "daemon/children.h"
#include "daemon/edition.h"
#include "daemon/endpoints.h"
#include "daemon/event_store.h"
#include "daemon/events.h"
#include "daemon/handover.h"
#include "daemon/listeners.h"
#include "daemon/namespaces.h"
#include "daemon/predecessors.h"
#include "daemon/spawn.h"
#include "daemon/warnings.h"
#include "dataplane/dataplane.h"

#define TRY_US	      30000000u
#define SETTLE_US     5000000u
#define AGAIN_US      2000u
#define ARGS_MAX      160u
#define TEXT_MAX      2048u
#define ROOM_MIN      (1u << 20) /* bytes: what SQLite writes to open a database */
#define PROCESSES_MAX 768u /* their slabs and those of the next have 1024 numbers (slabs.c) */
#define SELF	      "/proc/self/exe"
#define IS_GONE	      " (deleted)"
#define IS_EGRETD     " can run here " /* in the answer of --try (check.c) */

struct upgrade {
	struct monitor *m;
	struct request *req;
	char path[4096];
	int bin_fd;
	int pidfd, out_fd;
	struct io exit;
	struct timer limit;
	uint64_t until_us;
	bool has_timed_out;
	char number[16];
	const char *argv[ARGS_MAX];
};

struct upgrade *upgrade_free(struct upgrade *u)
{
	if (!u)
		return NULL;
	io_stop(&u->exit);
	timer_stop(&u->limit);
	spawn_kill(u->pidfd);
	spawn_reap(&u->pidfd, NULL);
	cleanup_close(&u->out_fd);
	cleanup_close(&u->bin_fd);
	free(u);
	return NULL;
}

static void _printf_(2, 3) refuse(struct upgrade *u, const char *fmt, ...)
{
	char text[TEXT_MAX + 512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("upgrade to %s refused, everything stays as it was: %s", u->path, text);
	u->m->upgrade = NULL;
	if (u->req) {
		request_on_gone(u->req, NULL, NULL);
		request_error(u->req, "refused", "%s: %s: egretd goes on as it was", u->path, text);
	}
	(void)upgrade_free(u);
}

static void on_request_gone(void *ctx, struct request *req, bool server_gone)
{
	struct upgrade *u = ctx;

	u->req = NULL;
	if (!server_gone)
		request_end(req, NULL);
	refuse(u, "whoever asked for it has gone");
}

/* ---- its command line ---- */

static void fill_argv(struct upgrade *u, const char *verb, const char *value)
{
	const struct config_where *w = u->m->where;
	size_t n = 0;

	u->argv[n++] = "egretd";
	if (!w->optional) {
		u->argv[n++] = "--config";
		u->argv[n++] = w->file;
	}
	for (size_t i = 0; i < w->n_sets && n < ARGS_MAX - 4; i++) {
		u->argv[n++] = "--set";
		u->argv[n++] = w->sets[i];
	}
	u->argv[n++] = verb;
	u->argv[n++] = value;
	u->argv[n] = NULL;
}

static int execute(const struct upgrade *u)
{
	return (int)syscall(SYS_execveat, u->bin_fd, "", u->argv, environ, AT_EMPTY_PATH);
}

/* ---- the step over ---- */

static json_t *describe(struct upgrade *u, int client)
{
	struct monitor *m = u->m;

	return json_pack("{si sI sI si si si si so so so so}", "format", HANDOVER_FORMAT,
			 "generation", (json_int_t)m->generation + 1, "edition",
			 (json_int_t)m->edition->generation + 1, "lock", dataplane_lock_fd(m->dp),
			 "control", control_server_fd(m->control), "socket_unit",
			 (int)m->has_socket_unit, "client", client, "listeners",
			 listeners_hand_over(m->listeners), "namespaces",
			 namespaces_hand_over(m->namespaces), "slabs",
			 predecessors_hand_over_slabs(m->children), "children",
			 predecessors_hand_over(m->children));
}

static void tell(int fd, json_t *answer)
{
	_cleanup_free_ char *text = json_dumps(answer, JSON_COMPACT);

	if (text)
		(void)!dprintf(fd, "%s\n", text);
	json_decref(answer);
}

static void step_over(struct upgrade *u)
{
	_cleanup_close_ int state = -EBADF, client = -EBADF;
	json_t *doc;
	int r;

	request_on_gone(u->req, NULL, NULL);
	client = request_take_fd(TAKE_PTR(u->req));
	endpoints_save(u->m->endpoints); /* the next may need new maps for them */
	doc = client < 0 ? NULL : describe(u, client);
	r = client < 0 ? client : doc ? handover_write(doc, &state) : -ENOMEM;
	if (r == 0) {
		(void)snprintf(u->number, sizeof(u->number), "%d", state);
		fill_argv(u, "--takeover", u->number);
		log_info("upgrade: executing %s", u->path);
		monitor_hold_signals(true);
		(void)execute(u);
		r = -errno;
		monitor_hold_signals(false);
		handover_undo(doc);
	}
	json_decref(doc);
	if (client >= 0)
		tell(client, json_pack("{s{ss so}}", "error", "reason", "refused", "message",
				       json_sprintf("%s: cannot be executed: %s: egretd goes on as "
						    "it was",
						    u->path, strerror(-r))));
	refuse(u, "cannot be executed: %s", strerror(-r));
}

static void on_settle(struct timer *t)
{
	struct upgrade *u = container_of(t, struct upgrade, limit);

	if (u->m->phase == MONITOR_STOPPING)
		refuse(u, "it is being stopped");
	else if (u->m->attests == 0 && events_pending(u->m->events) == 0 &&
		 event_store_is_empty(u->m->event_store) && children_settled(u->m->children))
		step_over(u);
	else if (clock_mono_us() > u->until_us)
		refuse(u, "its processes wait for answers without end: try again");
	else
		timer_start(t, u->m->loop, AGAIN_US, on_settle);
}

/* ---- the trial ---- */

static void first_line(struct upgrade *u, char *text, size_t size)
{
	ssize_t n = read(u->out_fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
}

static void on_tried(struct io *io, int events)
{
	struct upgrade *u = container_of(io, struct upgrade, exit);
	char text[TEXT_MAX], says[HANDOVER_WORDS];
	siginfo_t info;

	(void)events;
	io_stop(io);
	timer_stop(&u->limit);
	spawn_reap(&u->pidfd, &info);
	first_line(u, text, sizeof(text));
	handover_says(says);
	if (u->has_timed_out) {
		refuse(u, "it did not end its trial within %u s", TRY_US / 1000000u);
	} else if (info.si_code != CLD_EXITED || info.si_status != 0) {
		text[strcspn(text, "\n")] = '\0';
		refuse(u, "it cannot take over: %s", *text ? text : "it ended without a word");
	} else if (!strstr(text, IS_EGRETD)) {
		refuse(u,
		       "it is no egretd: `%s --try` ended well, but did not say that it can run "
		       "here; name another file",
		       u->path);
	} else if (!strstr(text, says)) {
		refuse(u,
		       "it does not take over what this version hands over (%s): restart egretd "
		       "with it instead",
		       says);
	} else {
		u->until_us = clock_mono_us() + SETTLE_US;
		timer_start(&u->limit, u->m->loop, 0, on_settle);
	}
}

static void on_try_limit(struct timer *t)
{
	struct upgrade *u = container_of(t, struct upgrade, limit);

	u->has_timed_out = true;
	spawn_kill(u->pidfd);
}

static _Noreturn void become_trial(const struct upgrade *u, int out)
{
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		_exit(126);
	(void)execute(u);
	(void)dprintf(STDERR_FILENO, "cannot execute it: %s\n", strerror(errno));
	_exit(127);
}

static int try(struct upgrade *u)
{
	_cleanup_close_ int out = -EBADF;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	u->out_fd = fds[0];
	out = fds[1];
	fill_argv(u, "--try", NULL);
	pid = spawn(&u->pidfd);
	if (pid == 0)
		become_trial(u, out);
	if (pid < 0)
		return pid;
	io_start(&u->exit, u->m->loop, u->pidfd, IO_READ, on_tried);
	timer_start(&u->limit, u->m->loop, TRY_US, on_try_limit);
	return 0;
}

/* ---- life ---- */

static int find_path(struct upgrade *u, const char *path)
{
	size_t n, tail = strlen(IS_GONE);
	ssize_t got;

	if (path)
		return (size_t)snprintf(u->path, sizeof(u->path), "%s", path) < sizeof(u->path)
			       ? 0
			       : -ENAMETOOLONG;
	got = readlink(SELF, u->path, sizeof(u->path) - 1);
	if (got <= 0)
		return -errno;
	n = (size_t)got;
	/* A package manager has put another file in its place. */
	if (n > tail && memcmp(u->path + n - tail, IS_GONE, tail) == 0)
		n -= tail;
	u->path[n] = '\0';
	return 0;
}

/* Whether a recorder that starts could open its database: the one that runs goes on without, and
 * not every version begins without. */
static bool has_room(const struct monitor *m)
{
	struct statvfs fs;

	if (warnings_has(m->warnings, ANSWER_RECORDER))
		return false;
	return statvfs(m->config->state_dir, &fs) < 0 ||
	       (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_MIN;
}

void upgrade_begin(struct monitor *m, struct request *req, const char *path)
{
	struct upgrade *u;
	struct stat st;
	int r;

	if (m->upgrade || m->phase == MONITOR_STARTING || m->phase == MONITOR_STOPPING) {
		request_error(req, "busy", "egretd is %s: try again",
			      m->upgrade ? "being upgraded" : monitor_phase_name(m->phase));
		return;
	}
	if (children_count(m->children) > PROCESSES_MAX) {
		request_error(req, "refused",
			      "too many processes of earlier versions still carry "
			      "streams (egret status): wait for them, or restart egretd");
		return;
	}
	if (!has_room(m)) {
		request_error(req, "refused",
			      "the audit database in %s cannot be written, or soon could not: the "
			      "next version could record nothing: free space there, and try again",
			      m->config->state_dir);
		return;
	}
	/* The next would begin with another, perhaps a looser one. */
	if (m->edition->is_given && strcmp(m->edition->source, m->config->policy) != 0) {
		request_error(req, "refused",
			      "the policy in force was loaded from %s, and the next "
			      "version reads %s: write it there, or give it up with `egret policy "
			      "load`, and try again",
			      m->edition->source, m->config->policy);
		return;
	}
	u = calloc(1, sizeof(*u));
	if (!u) {
		request_error(req, "failed", "egretd: out of memory");
		return;
	}
	u->m = m;
	u->req = req;
	u->bin_fd = u->pidfd = u->out_fd = -EBADF;
	m->upgrade = u;
	request_on_gone(req, on_request_gone, u);
	r = find_path(u, path);
	u->bin_fd = r < 0 ? r : open(u->path, O_RDONLY | O_CLOEXEC);
	if (u->bin_fd < 0) {
		refuse(u, "cannot be opened: %s", strerror(r < 0 ? -r : errno));
		return;
	}
	/* It becomes root's process. */
	if (fstat(u->bin_fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
	    (st.st_mode & 022)) {
		refuse(u, "must be a file of root's that nobody else can write");
		return;
	}
	r = try(u);
	if (r < 0)
		refuse(u, "cannot be tried: %s", strerror(-r));
}

void upgrade_done(struct monitor *m)
{
	if (m->upgrade_fd < 0)
		return;
	tell(m->upgrade_fd, json_pack("{s{ss sI}}", "end", "version", EGRET_VERSION, "generation",
				      (json_int_t)m->generation));
	cleanup_close(&m->upgrade_fd);
	m->upgrade_fd = -EBADF;
}
