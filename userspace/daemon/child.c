/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "daemon/role.h"
#include "daemon/spawn.h"

#define SETTLED_US 10000000u /* one that lived this long starts again at once */
#define PAUSE_US   100000u
#define PAUSE_MAX  10000000u
#define KILL_GRACE 1000000u /* after the deadline of a stop */

struct child {
	struct loop *loop;
	struct child_opts opts;
	enum child_state state;
	bool stopping;
	bool draining; /* and may be at it for long */
	bool adopted; /* of an earlier generation: its end is the end */
	bool failed; /* the last process */
	pid_t pid;
	int pidfd;
	struct io io; /* on pidfd: readable when the process has ended */
	struct timer limit; /* to say ready; to end after a stop */
	struct timer restart; /* pause before the next process */
	struct channel *channel;
	uint64_t started_mono_us, started_us;
	unsigned deaths; /* in a row, each soon after its start */
	unsigned restarts;
};

uint64_t child_pause_us(unsigned deaths)
{
	/* The first is free, and four of them fit into the second that a replacement may take. */
	uint64_t pause = deaths <= 1 ? 0 : PAUSE_US << (deaths - 2 < 10 ? deaths - 2 : 10);

	return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

void child_kill(struct child *c)
{
	spawn_kill(c->pidfd);
}

static void on_restart(struct timer *t);

static void describe(const siginfo_t *info, char *to, size_t size)
{
	if (info->si_code == CLD_EXITED)
		(void)snprintf(to, size, "exited with status %d", info->si_status);
	else if (info->si_status == SIGSYS)
		(void)snprintf(to, size, "killed by its sandbox: a forbidden system call");
	else
		(void)snprintf(to, size, "killed by signal %d (%s)", info->si_status,
			       strsignal(info->si_status));
}

/* Reaps the process and forgets it. */
static void forget(struct child *c, siginfo_t *ret)
{
	io_stop(&c->io);
	timer_stop(&c->limit);
	spawn_reap(&c->pidfd, ret);
	c->pid = 0;
	c->channel = channel_free(c->channel);
}

static void on_exit_ready(struct io *io, int events)
{
	struct child *c = container_of(io, struct child, io);
	bool was_ready = c->state == CHILD_READY;
	siginfo_t info;
	char how[96];

	(void)events;
	/* Before who waits for its answers is told, and looks at it. */
	c->state = c->stopping || c->adopted ? CHILD_STOPPED : CHILD_DOWN;
	forget(c, &info);
	describe(&info, how, sizeof(how));
	c->failed = info.si_code != CLD_EXITED || info.si_status != 0;
	c->deaths = clock_mono_us() - c->started_mono_us > SETTLED_US ? 1 : c->deaths + 1;
	if (c->state == CHILD_DOWN)
		timer_start(&c->restart, c->loop, child_pause_us(c->deaths), on_restart);
	c->opts.events->on_gone(c->opts.ctx, c, how, was_ready);
}

static void on_limit(struct timer *t)
{
	child_kill(container_of(t, struct child, limit));
}

static void on_channel_msg(struct channel *ch, void *ctx, struct msg *m)
{
	struct child *c = ctx;

	(void)ch;
	if (m->type != EG_MSG_ready) {
		c->opts.events->on_msg(c->opts.ctx, c, m);
		return;
	}
	if (c->state != CHILD_STARTING)
		return;
	c->state = CHILD_READY;
	if (!c->stopping)
		timer_stop(&c->limit);
	c->opts.events->on_ready(c->opts.ctx, c);
}

/* Closed by its end, or by a message it may not send: either way it is of no use any more. One that
 * was told to stop by a deadline may still have things to write down. */
static void on_channel_close(struct channel *ch, void *ctx, int error)
{
	struct child *c = ctx;

	if (!c->stopping || c->draining || error < 0)
		child_kill(c); /* before it can see that the channel is closed */
	(void)channel_free(ch);
	c->channel = NULL;
}

/* Between fork and exec: nothing but system calls. */
static _Noreturn void become(const struct child_opts *o, int channel_fd)
{
	static const char *const environment[] = {
#ifdef __SANITIZE_ADDRESS__
		/* What these need at the end, the sandbox takes away. */
		"ASAN_OPTIONS=detect_leaks=0:symbolize=0",
#endif
		NULL
	};
	const struct rlimit files = { o->files_max, o->files_max };
	struct rlimit given;

	(void)setsid();
	/* As much as may be had: more than the parent's needs CAP_SYS_RESOURCE. */
	if (o->files_max && setrlimit(RLIMIT_NOFILE, &files) < 0) {
		if (getrlimit(RLIMIT_NOFILE, &given) < 0)
			_exit(126);
		given.rlim_cur = given.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &given);
	}
	if (channel_fd == ROLE_CHANNEL_FD ? fcntl(channel_fd, F_SETFD, 0) < 0
					  : dup2(channel_fd, ROLE_CHANNEL_FD) < 0)
		_exit(126);
	/* Ours are close-on-exec; this is for what whoever started us left open. */
	(void)syscall(SYS_close_range, ROLE_CHANNEL_FD + 1, ~0u, 0);
	(void)execve(o->exe, (char *const *)(uintptr_t)o->argv,
		     (char *const *)(uintptr_t)environment);
	_exit(127);
}

static int open_channel(struct child *c, int fd)
{
	const struct channel_opts opts = { .peer_role = c->opts.role,
					   .on_msg = on_channel_msg,
					   .on_close = on_channel_close,
					   .ctx = c };

	return channel_new(c->loop, fd, &opts, &c->channel);
}

static int start(struct child *c)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int fds[2], r;
	pid_t pid;

	r = channel_pair(fds);
	if (r < 0)
		return r;
	ours = fds[0];
	theirs = fds[1];
	r = open_channel(c, ours);
	if (r < 0)
		return r;
	(void)TAKE_FD(ours);

	pid = spawn(&c->pidfd);
	if (pid == 0)
		become(&c->opts, theirs);
	if (pid < 0)
		return pid;
	c->pid = pid;
	io_start(&c->io, c->loop, c->pidfd, IO_READ, on_exit_ready);
	return 0;
}

int child_adopt(struct child *c, pid_t pid, int channel_fd, uint64_t started_us)
{
	_cleanup_close_ int channel = channel_fd;
	siginfo_t info;
	int r;

	/* Only a child of ours, and one not yet waited for: then the number is nobody else's. */
	if (pid <= 1 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -ESRCH;
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (c->pidfd < 0)
		return -errno;
	r = open_channel(c, channel);
	if (r < 0)
		return r;
	(void)TAKE_FD(channel);
	c->pid = pid;
	c->adopted = true;
	c->state = CHILD_READY;
	c->started_us = started_us;
	io_start(&c->io, c->loop, c->pidfd, IO_READ, on_exit_ready);
	return 0;
}

int child_start(struct child *c)
{
	int r;

	r = start(c);
	if (r < 0) {
		c->channel = channel_free(c->channel);
		return r;
	}
	c->state = CHILD_STARTING;
	c->started_mono_us = clock_mono_us();
	c->started_us = clock_wall_us();
	timer_start(&c->limit, c->loop, c->opts.ready_us, on_limit);
	r = c->opts.events->on_started(c->opts.ctx, c);
	/* Its death, seen by the loop, leads to the next try. */
	if (r < 0)
		child_kill(c);
	return r;
}

static void on_restart(struct timer *t)
{
	struct child *c = container_of(t, struct child, restart);

	c->restarts++;
	/* No process could be made: the same as one that died at once. */
	if (child_start(c) < 0 && c->pidfd < 0) {
		c->deaths++;
		timer_start(&c->restart, c->loop, child_pause_us(c->deaths), on_restart);
	}
}

static void stop(struct child *c, uint32_t deadline_ms, bool drain)
{
	const struct eg_stop stop = { .deadline_ms = deadline_ms, .drain = drain };

	if (c->stopping)
		return;
	c->stopping = true;
	c->draining = drain;
	timer_stop(&c->restart);
	if (c->pidfd < 0) {
		c->state = CHILD_STOPPED;
		return;
	}
	timer_start(&c->limit, c->loop, deadline_ms * 1000ull + KILL_GRACE, on_limit);
	if (!c->channel || channel_send(c->channel, EG_MSG_stop, &stop, sizeof(stop), NULL, 0) < 0)
		child_kill(c);
}

void child_stop(struct child *c, uint32_t deadline_ms)
{
	stop(c, deadline_ms, false);
}

void child_drain(struct child *c, uint32_t deadline_ms)
{
	stop(c, deadline_ms, true);
}

void child_stop_by(struct child *c, uint32_t deadline_ms)
{
	if (c->pidfd < 0)
		return;
	c->stopping = false;
	child_stop(c, deadline_ms);
}

int child_new(struct loop *l, const struct child_opts *o, struct child **ret)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->loop = l;
	c->opts = *o;
	c->pidfd = -EBADF;
	*ret = c;
	return 0;
}

struct child *child_free(struct child *c)
{
	siginfo_t info;

	if (!c)
		return NULL;
	timer_stop(&c->restart);
	child_kill(c);
	forget(c, &info);
	free(c);
	return NULL;
}

bool child_is_adopted(const struct child *c)
{
	return c->adopted;
}

bool child_has_failed(const struct child *c)
{
	return c->failed;
}

uint32_t child_role(const struct child *c)
{
	return c->opts.role;
}

uint32_t child_index(const struct child *c)
{
	return c->opts.index;
}

enum child_state child_state(const struct child *c)
{
	return c->state;
}

struct channel *child_channel(const struct child *c)
{
	return c->channel;
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}

unsigned child_restarts(const struct child *c)
{
	return c->restarts;
}

uint64_t child_started_us(const struct child *c)
{
	return c->started_us;
}
