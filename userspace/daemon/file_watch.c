/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/file_watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/slice.h"

#define LINKS_MAX 8u
#define PATH_SIZE 4096u
#define QUIET_US  100000u
/* Not IN_MODIFY: a file that is being written holds half of a text. */
#define FILE_MASK (IN_CLOSE_WRITE | IN_MOVE_SELF | IN_DELETE_SELF)
#define DIR_MASK  (FILE_MASK | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

struct file_watch {
	struct loop *loop;
	char path[PATH_SIZE];
	int fd;
	struct io io;
	struct timer quiet;
	void (*fn)(void *ctx);
	void *ctx;
};

/* Cuts the last component off; "/" stays. */
static void to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		(void)snprintf(path, PATH_SIZE, "/");
	else
		*slash = '\0';
}

static void watch_directory(int fd, const char *of)
{
	char dir[PATH_SIZE];

	(void)slice_copy(slice_str(of), dir, sizeof(dir));
	do {
		to_parent(dir);
	} while (inotify_add_watch(fd, dir, DIR_MASK) < 0 && strcmp(dir, "/") != 0);
}

/* path becomes what it points at; false: it is no link. */
static bool follow(char path[PATH_SIZE])
{
	char target[PATH_SIZE], dir[PATH_SIZE];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	(void)slice_copy(slice_str(path), dir, sizeof(dir));
	to_parent(dir);
	return (size_t)(target[0] == '/' ? snprintf(path, PATH_SIZE, "%s", target)
					 : snprintf(path, PATH_SIZE, "%.2000s/%.2000s", dir,
						    target)) < PATH_SIZE;
}

static void on_ready(struct io *io, int events);

/* Anew each time: the links may lead elsewhere now. The old ones go when the new ones stand. */
static int arm(struct file_watch *w)
{
	char path[PATH_SIZE];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	unsigned links = 0;

	if (fd < 0)
		return -errno;
	(void)slice_copy(slice_str(w->path), path, sizeof(path));
	do {
		watch_directory(fd, path);
	} while (links++ < LINKS_MAX && follow(path));
	(void)inotify_add_watch(fd, path, FILE_MASK);
	io_stop(&w->io);
	cleanup_close(&w->fd);
	w->fd = fd;
	io_start(&w->io, w->loop, fd, IO_READ, on_ready);
	return 0;
}

static void on_quiet(struct timer *t)
{
	struct file_watch *w = container_of(t, struct file_watch, quiet);

	/* Without descriptors the old ones see on, as far as they reach. */
	(void)!arm(w);
	w->fn(w->ctx);
}

static void on_ready(struct io *io, int events)
{
	struct file_watch *w = container_of(io, struct file_watch, io);
	char bytes[4096];

	(void)events;
	while (read(w->fd, bytes, sizeof(bytes)) > 0)
		;
	if (!timer_is_running(&w->quiet))
		timer_start(&w->quiet, w->loop, QUIET_US, on_quiet);
}

int file_watch_new(struct loop *l, const char *path, void (*fn)(void *ctx), void *ctx,
		   struct file_watch **ret)
{
	struct file_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = l;
	w->fd = -EBADF;
	w->fn = fn;
	w->ctx = ctx;
	(void)slice_copy(slice_str(path), w->path, sizeof(w->path));
	r = arm(w);
	if (r < 0) {
		(void)file_watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct file_watch *file_watch_free(struct file_watch *w)
{
	if (!w)
		return NULL;
	io_stop(&w->io);
	timer_stop(&w->quiet);
	cleanup_close(&w->fd);
	free(w);
	return NULL;
}
