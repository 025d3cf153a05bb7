/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/runs.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/slice.h"
#include "egret/names.h"

#define PATH_BYTES 4608u

struct run {
	struct run *next;
	int watch; /* of its cgroup.events */
	char path[];
};

struct runs {
	struct runs_opts opts;
	char base[4352]; /* CGROUP/egret/run */
	struct io io; /* inotify */
	int fd;
	struct run *head;
	size_t n;
};

/* "populated 0" stands in a cgroup without a process at any depth. */
static bool is_empty(const char *path)
{
	char file[PATH_BYTES + 32], text[256];
	_cleanup_close_ int fd = -EBADF;
	ssize_t n;

	(void)snprintf(file, sizeof(file), "%s/cgroup.events", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strstr(text, "populated 0");
}

static void forget(struct runs *r, struct run *run)
{
	struct run **at = &r->head;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	r->n--;
	(void)inotify_rm_watch(r->fd, run->watch);
	free(run);
}

static void reap(struct runs *r, struct run *run)
{
	char *slash;

	if (!is_empty(run->path) || rmdir(run->path) < 0)
		return;
	/* The workload's directory, if that was its last. */
	slash = strrchr(run->path, '/');
	*slash = '\0';
	(void)rmdir(run->path);
	forget(r, run);
}

static int watch(struct runs *r, const char *path)
{
	size_t n = strlen(path) + 1;
	struct run *run = malloc(sizeof(*run) + n);
	char file[PATH_BYTES + 32];
	int error;

	if (!run)
		return -ENOMEM;
	memcpy(run->path, path, n);
	(void)snprintf(file, sizeof(file), "%s/cgroup.events", path);
	run->watch = inotify_add_watch(r->fd, file, IN_MODIFY);
	if (run->watch < 0) {
		error = -errno;
		free(run);
		return error;
	}
	run->next = r->head;
	r->head = run;
	r->n++;
	return 0;
}

static void on_change(struct io *io, int events)
{
	struct runs *r = container_of(io, struct runs, io);
	union {
		char bytes[4096];
		struct inotify_event align;
	} in;
	ssize_t n = read(r->fd, in.bytes, sizeof(in.bytes));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(in.bytes + at);
		struct run *run = r->head;

		while (run && run->watch != e->wd)
			run = run->next;
		if (run)
			reap(r, run);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

/* Calls fn for each directory below `path`, one level down. */
static void each_directory(struct runs *r, const char *path,
			   void (*fn)(struct runs *r, const char *path))
{
	DIR *dir = opendir(path);
	char below[PATH_BYTES];

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, e->d_name) <
		    sizeof(below))
			fn(r, below);
	}
	if (dir)
		(void)closedir(dir);
}

static void find_run(struct runs *r, const char *path)
{
	if (watch(r, path) == 0)
		reap(r, r->head);
}

static void find_workload(struct runs *r, const char *path)
{
	each_directory(r, path, find_run);
	(void)rmdir(path);
}

int runs_new(const struct runs_opts *o, struct diag *d, struct runs **ret)
{
	struct runs *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->opts = *o;
	(void)snprintf(r->base, sizeof(r->base), "%s/" EG_CGROUP_RUN, o->cgroup);
	r->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->fd < 0) {
		error = -errno;
		(void)diag_at(d, 0, 0, "cannot watch cgroups: %s", strerror(-error));
		free(r);
		return error;
	}
	each_directory(r, r->base, find_workload);
	io_start(&r->io, o->loop, r->fd, IO_READ, on_change);
	*ret = r;
	return 0;
}

struct runs *runs_free(struct runs *r)
{
	if (!r)
		return NULL;
	while (r->head)
		forget(r, r->head);
	io_stop(&r->io);
	cleanup_close(&r->fd);
	free(r);
	return NULL;
}

const char *runs_base(const struct runs *r)
{
	return r->base;
}

size_t runs_count(const struct runs *r)
{
	return r->n;
}

/* CGROUP/egret/run/WORKLOAD/ID with everything above it that is missing. */
static int make_cgroup(struct runs *r, const char *workload, char *ret, size_t size)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -EIO;
	if ((size_t)snprintf(ret, size, "%s/%s/%016llx", r->base, workload,
			     (unsigned long long)id) >= size)
		return -ENAMETOOLONG;
	for (char *at = ret + strlen(r->base) - strlen(EG_CGROUP_RUN); at;) {
		int failed;

		at = strchr(at, '/');
		if (at)
			*at = '\0';
		failed = mkdir(ret, 0755) < 0 && errno != EEXIST;
		if (at)
			*at++ = '/';
		if (failed)
			return -errno;
	}
	return 0;
}

static bool is_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static int own_pidfd(pid_t pid, uid_t uid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	char path[32];
	struct stat st;

	if (fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) == 0 && st.st_uid == uid)
		return fd;
	(void)close(fd);
	return -ESRCH;
}

/* A number is all that cgroup.procs takes. Alive before and after means it was meant all along. */
static int move(const char *path, pid_t pid, int pidfd)
{
	_cleanup_close_ int fd = -EBADF;
	char file[PATH_BYTES + 32], number[16];
	int n;

	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	n = snprintf(number, sizeof(number), "%d", (int)pid);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_alive(pidfd))
		return -ESRCH;
	if (write(fd, number, (size_t)n) != n)
		return -errno;
	return is_alive(pidfd) ? 0 : -ESRCH;
}

int runs_enter(struct runs *r, const char *workload, pid_t pid, int pidfd, uid_t uid,
	       char *ret_path, size_t size)
{
	_cleanup_close_ int opened = -EBADF;
	int error;

	if (r->n >= RUNS_MAX)
		return -EMFILE;
	if (pidfd < 0) {
		opened = own_pidfd(pid, uid);
		pidfd = opened;
	}
	if (pidfd < 0)
		return pidfd == -EBADF ? -ESRCH : pidfd;
	error = make_cgroup(r, workload, ret_path, size);
	if (error == 0)
		error = watch(r, ret_path);
	if (error < 0)
		return error;
	r->opts.on_new(r->opts.ctx, ret_path);
	error = move(ret_path, pid, pidfd);
	if (error < 0)
		reap(r, r->head);
	return error;
}

/* The path of a process's cgroup below the mount. */
static int cgroup_of(pid_t pid, char *ret, size_t size)
{
	char file[32], line[PATH_BYTES + 8];
	int r = -ENOENT;
	FILE *f;

	(void)snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	f = fopen(file, "re");
	if (!f)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		r = slice_copy(slice_str(line + 3), ret, size) < strlen(line + 3) ? -ENAMETOOLONG
										  : 0;
	}
	(void)fclose(f);
	return r;
}

int runs_workload_of(const char *base, pid_t pid, char *ret, size_t size)
{
	size_t n = strlen(base);
	char path[PATH_BYTES];
	int r = cgroup_of(pid, path, sizeof(path));

	if (r < 0)
		return r;
	if (strncmp(path, base, n) != 0 || path[n] != '/')
		return 0;
	(void)slice_copy(slice_of(path + n + 1, strcspn(path + n + 1, "/")), ret, size);
	return 1;
}
