/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/credential_source.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "daemon/spawn.h"
#include "daemon/trusted.h"

/* A command that runs. */
struct credential_source {
	int out; /* the pipe with what it printed */
	int pidfd;
	pid_t pid;
	bool timed_out;
	struct io io; /* on pidfd */
	struct timer limit;
	credential_source_fn fn;
	void *ctx;
};

static int open_file(const char *dir, const char *name, struct diag *d, int *ret_fd)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : dir,
			     name[0] == '/' ? "" : "/", name) >= sizeof(path))
		return diag_at(d, 0, 0, "%s: the path is too long", name);
	return trusted_open_secret(path, CREDENTIAL_SOURCE_MAX, d, ret_fd);
}

static int open_systemd(const char *name, struct diag *d, int *ret_fd)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (!dir || dir[0] != '/')
		return diag_at(
			d, 0, 0,
			"systemd gave no credentials: add LoadCredential=%s:PATH to the unit",
			name);
	return open_file(dir, name, d, ret_fd);
}

/* ---- commands ---- */

static void release(struct credential_source *s)
{
	io_stop(&s->io);
	timer_stop(&s->limit);
	cleanup_close(&s->out);
	free(s);
}

/* With all that it started; by its number alone while it has not become a group yet. It is not
 * reaped, so the number is still its. */
static void kill_all(const struct credential_source *s)
{
	(void)kill(-s->pid, SIGKILL);
	(void)kill(s->pid, SIGKILL);
}

static void on_limit(struct timer *t)
{
	struct credential_source *s = container_of(t, struct credential_source, limit);

	s->timed_out = true;
	kill_all(s);
}

static void on_ended(struct io *io, int events)
{
	struct credential_source *s = container_of(io, struct credential_source, io);
	siginfo_t info;
	char why[128] = "";
	int fd = -EBADF;

	(void)events;
	/* Whatever it left behind must not go on writing. */
	kill_all(s);
	spawn_reap(&s->pidfd, &info);
	if (s->timed_out)
		(void)snprintf(why, sizeof(why), "the command did not end in time");
	else if (info.si_code != CLD_EXITED)
		(void)snprintf(why, sizeof(why), "the command was killed by signal %d",
			       info.si_status);
	else if (info.si_status == 127)
		(void)snprintf(why, sizeof(why), "the command cannot be executed");
	else if (info.si_status != 0)
		(void)snprintf(why, sizeof(why), "the command ended with status %d",
			       info.si_status);
	else
		fd = TAKE_FD(s->out);
	s->fn(s->ctx, fd, why);
	release(s);
}

/* Between fork and exec: nothing but system calls. */
static _Noreturn void become(char *const *argv, int out)
{
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		"/sbin:/bin",
		NULL
	};
	const struct rlimit no_core = { 0, 0 };
	int null = open("/dev/null", O_RDWR);

	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (setsid() < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || chdir("/") < 0)
		_exit(126);
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
	(void)execve(argv[0], argv, (char *const *)(uintptr_t)environment);
	_exit(127);
}

static int start(struct credential_source *s, char *const *argv)
{
	_cleanup_close_ int in = -EBADF;
	int fds[2];

	/* Whole from the start: nobody reads before it has ended. */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->out = fds[0];
	in = fds[1];
	(void)fcntl(s->out, F_SETPIPE_SZ, CREDENTIAL_SOURCE_MAX);
	if (fcntl(s->out, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	s->pid = spawn(&s->pidfd);
	if (s->pid == 0)
		become(argv, in);
	return s->pid < 0 ? s->pid : 0;
}

static struct credential_source *run(struct loop *l, char *const *argv, uint64_t timeout_us,
				     credential_source_fn fn, void *ctx)
{
	struct credential_source *s = calloc(1, sizeof(*s));
	char why[128];
	int r;

	if (!s) {
		fn(ctx, -EBADF, "out of memory");
		return NULL;
	}
	s->out = s->pidfd = -EBADF;
	s->fn = fn;
	s->ctx = ctx;
	r = start(s, argv);
	if (r < 0) {
		cleanup_close(&s->out);
		free(s);
		(void)snprintf(why, sizeof(why), "the command cannot be started: %s", strerror(-r));
		fn(ctx, -EBADF, why);
		return NULL;
	}
	io_start(&s->io, l, s->pidfd, IO_READ, on_ended);
	timer_start(&s->limit, l, timeout_us, on_limit);
	return s;
}

struct credential_source *credential_source_open(struct loop *l, const struct config_credential *c,
						 const char *dir, uint64_t timeout_us,
						 credential_source_fn fn, void *ctx)
{
	struct diag d = { 0 };
	char why[800];
	int fd = -EBADF;
	int r;

	if (c->source == CONFIG_SOURCE_COMMAND)
		return run(l, c->words.v, timeout_us, fn, ctx);
	r = c->source == CONFIG_SOURCE_FILE ? open_file(dir, c->words.v[0], &d, &fd)
					    : open_systemd(c->words.v[0], &d, &fd);
	diag_format(&d, why, sizeof(why));
	fn(ctx, r < 0 ? -EBADF : fd, why);
	return NULL;
}

struct credential_source *credential_source_cancel(struct credential_source *s)
{
	if (!s)
		return NULL;
	kill_all(s);
	spawn_reap(&s->pidfd, NULL);
	release(s);
	return NULL;
}
