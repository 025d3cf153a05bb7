/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "audit/slab_layout.h"
#include "base/cleanup.h"
#include "egret/rpc.h"

#define SEALS	 (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#define LIST_MAX 65536u

/* What the document holds, as a tree of tables: each member once, none besides. */
enum kind { NUMBER, FD, FDS, ROWS };

struct member {
	const char *name;
	enum kind kind;
	long long min, max; /* NUMBER: its value; FDS: how many */
	const struct member *rows;
};

#define ANY(member)                                                                                \
	{                                                                                          \
		member, NUMBER, 0, INT64_MAX, NULL                                                 \
	}
#define UP_TO(member, most)                                                                        \
	{                                                                                          \
		member, NUMBER, 0, most, NULL                                                      \
	}
#define ONE_FD(member)                                                                             \
	{                                                                                          \
		member, FD, 0, 0, NULL                                                             \
	}
#define FD_LIST(member, some)                                                                      \
	{                                                                                          \
		member, FDS, some, 4096, NULL                                                      \
	}
#define TABLE(member, table)                                                                       \
	{                                                                                          \
		member, ROWS, 0, 0, table                                                          \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, NUMBER, 0, 0, NULL                                                           \
	}

static const struct member listener[] = { UP_TO("family", AF_INET6), ANY("netns"),
					  FD_LIST("fds", 1), END };
static const struct member namespace[] = { ANY("cookie"),
					   ONE_FD("fd"),
					   ANY("share"),
					   UP_TO("first", INT32_MAX),
					   UP_TO("pid", INT32_MAX),
					   UP_TO("tid", INT32_MAX),
					   ANY("start_ns"),
					   FD_LIST("v4", 0),
					   FD_LIST("v6", 0),
					   END };
static const struct member slab[] = { UP_TO("number", INT32_MAX), ONE_FD("fd"), ONE_FD("wake"),
				      END };
static const struct member child[] = { UP_TO("role", EG_WORKER), UP_TO("index", INT32_MAX),
				       UP_TO("slab", INT32_MAX), ANY("generation"),
				       UP_TO("pid", INT32_MAX),	 ONE_FD("channel"),
				       ANY("started_us"),	 END };
static const struct member document[] = { UP_TO("format", HANDOVER_FORMAT),
					  ANY("generation"),
					  UP_TO("edition", UINT32_MAX),
					  ONE_FD("lock"),
					  ONE_FD("control"),
					  UP_TO("socket_unit", 1),
					  ONE_FD("client"),
					  TABLE("listeners", listener),
					  TABLE("namespaces", namespace),
					  TABLE("slabs", slab),
					  TABLE("children", child),
					  END };

/* What is to happen to each descriptor. */
typedef int (*fd_fn)(int fd);

static int keep(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

static int unkeep(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

/* Named twice, it would be closed twice: the second time it is close-on-exec already. */
static int take(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	return flags & FD_CLOEXEC ? -EPROTO : unkeep(fd);
}

static int look(int fd)
{
	(void)fd;
	return 0;
}

static int walk(const json_t *o, const struct member *m, fd_fn fn);

static int walk_fd(const json_t *v, fd_fn fn)
{
	if (!json_is_integer(v) || json_integer_value(v) < 3 || json_integer_value(v) > INT32_MAX)
		return -EPROTO;
	return fn((int)json_integer_value(v));
}

static int walk_list(const json_t *list, const struct member *m, fd_fn fn)
{
	size_t n = json_array_size(list);
	int r = 0;

	if (!json_is_array(list) || n > LIST_MAX ||
	    (m->kind == FDS && (n < (size_t)m->min || n > (size_t)m->max)))
		return -EPROTO;
	for (size_t i = 0; r == 0 && i < n; i++) {
		const json_t *v = json_array_get(list, i);

		r = m->kind == FDS ? walk_fd(v, fn) : walk(v, m->rows, fn);
	}
	return r;
}

static int walk(const json_t *o, const struct member *m, fd_fn fn)
{
	size_t n = 0;
	int r = 0;

	for (; r == 0 && m->name; m++, n++) {
		const json_t *v = json_object_get(o, m->name);

		if (m->kind == FD)
			r = walk_fd(v, fn);
		else if (m->kind != NUMBER)
			r = walk_list(v, m, fn);
		else if (!json_is_integer(v) || json_integer_value(v) < m->min ||
			 json_integer_value(v) > m->max)
			r = -EPROTO;
	}
	return r == 0 && json_object_size(o) != n ? -EPROTO : r;
}

void handover_says(char to[HANDOVER_WORDS])
{
	(void)snprintf(to, HANDOVER_WORDS, "hand-over %d, messages %d, slabs %u", HANDOVER_FORMAT,
		       EG_RPC_VERSION, SLAB_VERSION);
}

void handover_undo(const json_t *doc)
{
	(void)!walk(doc, document, unkeep);
}

int handover_write(const json_t *doc, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("egret-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	_cleanup_free_ char *text = json_dumps(doc, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;
	int r;

	if (fd < 0)
		return -errno;
	if (!text)
		return -ENOMEM;
	if (n > HANDOVER_MAX)
		return -EFBIG;
	if (write(fd, text, n) != (ssize_t)n || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return errno ? -errno : -EIO;
	r = walk(doc, document, keep);
	if (r == 0)
		r = keep(fd);
	if (r < 0) {
		handover_undo(doc);
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int handover_parse(struct slice text, json_t **ret)
{
	json_t *doc = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	int r = json_is_object(doc) ? walk(doc, document, look) : -EPROTO;

	if (r == 0 && json_integer_value(json_object_get(doc, "format")) != HANDOVER_FORMAT)
		r = -EPROTO;
	if (r < 0) {
		json_decref(doc);
		return r;
	}
	*ret = doc;
	return 0;
}

int handover_read(int fd, struct diag *d, json_t **ret)
{
	_cleanup_close_ int in = fd;
	_cleanup_free_ char *text = NULL;
	json_t *doc = NULL;
	struct stat st;
	int r;

	if (fcntl(in, F_GET_SEALS) != SEALS || fstat(in, &st) < 0 || st.st_size <= 0 ||
	    st.st_size > HANDOVER_MAX)
		return diag_at(d, 0, 0,
			       "--takeover: descriptor %d is not what a monitor hands over", fd);
	text = malloc((size_t)st.st_size);
	if (!text || pread(in, text, (size_t)st.st_size, 0) != st.st_size)
		return -ENOMEM;
	r = handover_parse(slice_of(text, (size_t)st.st_size), &doc);
	if (r == 0)
		r = walk(doc, document, take);
	if (r < 0) {
		json_decref(doc);
		return diag_at(d, 0, 0, "--takeover: what was handed over is of another format");
	}
	*ret = doc;
	return 0;
}
