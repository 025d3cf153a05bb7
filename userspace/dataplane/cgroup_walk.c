/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/cgroup_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/slice.h"
#include "dataplane/inspect.h"

#define DEPTH_MAX 128u /* as deep as modes are given */

struct cgroup_walk {
	const struct inspect *in;
	struct level {
		DIR *dir; /* that is being read; NULL: not begun */
		int fd; /* the same, for its path only */
		size_t path_n; /* of `path`, up to here */
		struct eg_mode mode; /* that holds here */
	} level[DEPTH_MAX];
	unsigned n; /* levels; the last is the deepest */
	bool is_first;
	char path[4096];
};

/* The mode of a cgroup, into a level that was just entered. */
static void look(struct cgroup_walk *w, const struct eg_mode *above, struct cgroup_item *ret)
{
	struct level *l = &w->level[w->n - 1];
	struct stat st = { 0 };

	(void)fstat(l->fd, &st);
	*ret = (struct cgroup_item){
		.path = w->path, .id = st.st_ino, .fd = l->fd, .depth = w->n - 1
	};
	ret->has_own = inspect_mode(w->in, l->fd, &l->mode) == 0;
	if (!ret->has_own)
		l->mode = *above;
	ret->mode = l->mode;
}

static void leave(struct cgroup_walk *w)
{
	struct level *l = &w->level[--w->n];

	if (l->dir)
		(void)closedir(l->dir);
	cleanup_close(&l->fd);
	if (w->n)
		w->path[w->level[w->n - 1].path_n] = '\0';
}

/* False: it is gone, or too deep to be looked at. */
static bool enter(struct cgroup_walk *w, const char *name)
{
	struct level *above = &w->level[w->n - 1], *l = &w->level[w->n];
	size_t at = above->path_n > 1 ? above->path_n : 0; /* "/" */
	int n, fd;

	if (w->n == DEPTH_MAX)
		return false;
	n = snprintf(w->path + at, sizeof(w->path) - at, "/%s", name);
	fd = n < (int)(sizeof(w->path) - at)
		     ? openat(above->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
		     : -1;
	if (fd < 0) {
		w->path[above->path_n] = '\0';
		return false;
	}
	*l = (struct level){ .fd = fd, .path_n = at + (size_t)n };
	w->n++;
	return true;
}

int cgroup_walk_new(const struct inspect *in, const char *dir, const char *path,
		    struct cgroup_walk **ret)
{
	struct cgroup_walk *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	w->in = in;
	w->is_first = true;
	w->level[0].fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->level[0].fd < 0) {
		error = -errno;
		free(w);
		return error;
	}
	w->level[0].path_n = slice_copy(slice_str(path), w->path, sizeof(w->path));
	w->n = 1;
	*ret = w;
	return 0;
}

struct cgroup_walk *cgroup_walk_free(struct cgroup_walk *w)
{
	while (w && w->n)
		leave(w);
	free(w);
	return NULL;
}

/* The directory of a level, to be read; NULL: it went away. */
static DIR *directory(struct level *l)
{
	int fd;

	if (l->dir)
		return l->dir;
	fd = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->dir = fd < 0 ? NULL : fdopendir(fd);
	if (!l->dir)
		cleanup_close(&fd);
	return l->dir;
}

int cgroup_walk_next(struct cgroup_walk *w, struct cgroup_item *ret)
{
	static const struct eg_mode none;

	if (w->is_first) {
		w->is_first = false;
		look(w, &none, ret);
		return 1;
	}
	while (w->n) {
		DIR *dir = directory(&w->level[w->n - 1]);
		struct dirent *e = dir ? readdir(dir) : NULL;

		if (!e) {
			leave(w);
		} else if (e->d_type == DT_DIR && e->d_name[0] != '.' && enter(w, e->d_name)) {
			look(w, &w->level[w->n - 2].mode, ret);
			return 1;
		}
	}
	return 0;
}

unsigned cgroup_processes(int cgroup_fd)
{
	_cleanup_close_ int fd = openat(cgroup_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	unsigned lines = 0;
	char text[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	return lines;
}
