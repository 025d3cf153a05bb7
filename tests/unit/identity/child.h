/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: processes that run a program of their own until they are told to end, and cgroups. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mntent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/slice.h"

struct child {
	pid_t pid;
	int hold; /* its standard input: it ends when this is closed */
};

/* Returns when the program runs. `path` must read its input to the end, as cat does. `before` runs
 * in the child (may be NULL). */
static _unused_ struct child child_start_with(const char *path, const char *cgroup,
					      void (*before)(void *ctx), void *ctx)
{
	int hold[2], ready[2];
	struct child c;
	char byte;

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		int procs = cgroup ? open(cgroup, O_WRONLY | O_CLOEXEC) : -1;

		if (cgroup && write(procs, "0", 1) != 1)
			_exit(2);
		if (before)
			before(ctx);
		if (dup2(hold[0], 0) == 0)
			execl(path, path, (char *)NULL);
		_exit(write(ready[1], "x", 1) == 1 ? 3 : 4);
	}
	(void)close(hold[0]);
	(void)close(ready[1]);
	/* The end of the file comes when exec() has closed the other end. */
	assert_int_equal(read(ready[0], &byte, 1), 0);
	(void)close(ready[0]);
	c.hold = hold[1];
	return c;
}

static _unused_ struct child child_start(const char *path, const char *cgroup)
{
	return child_start_with(path, cgroup, NULL, NULL);
}

static _unused_ void child_end(struct child *c)
{
	int status;

	(void)close(c->hold);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
}

static _unused_ void file_copy(const char *from, const char *to, const char *more)
{
	static char data[8u << 20];
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	n = read(in, data, sizeof(data));
	assert_true(n > 0 && n < (ssize_t)sizeof(data));
	assert_int_equal(write(out, data, (size_t)n), n);
	/* Behind the end of an ELF file there may be anything. */
	assert_int_equal(write(out, more, strlen(more)), (ssize_t)strlen(more));
	assert_int_equal(close(in), 0);
	assert_int_equal(close(out), 0);
}

/* A directory in the cgroup2 mount that the test owns; `ret` has the path. */
static _unused_ void cgroup_make(char *ret, size_t size)
{
	struct mntent *entry;
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;

	assert_non_null(f);
	while (!found && (entry = getmntent(f))) {
		found = strcmp(entry->mnt_type, "cgroup2") == 0;
		(void)snprintf(ret, size, "%s/egret-test-identity-%d", entry->mnt_dir,
			       (int)getpid());
	}
	assert_true(found);
	(void)endmntent(f);
	assert_int_equal(mkdir(ret, 0755), 0);
}

static _unused_ void cgroup_below(const char *top, const char *name, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/%s", top, name);
	assert_int_equal(mkdir(ret, 0755), 0);
}

static _unused_ void cgroup_enter(const char *dir, pid_t pid)
{
	char procs[PATH_MAX], text[16];
	int fd;

	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static _unused_ int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	/* A cgroup's own files go with it. */
	return type == FTW_DP ? rmdir(path) : 0;
}

/* All of them, the innermost first; their processes have ended. */
static _unused_ void cgroup_remove(const char *top)
{
	assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}
