/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"

#define LINE_MAX_BYTES (8u << 20)

struct client {
	int fd;
	char *path;
	struct buf in;
	size_t scanned; /* bytes of `in` known to hold no newline */
	bool cut_off; /* the request could not be sent whole; an error line may still wait */
};

static int explain_connect(const char *path, int error, struct diag *d)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		(void)diag_at(
			d, 0, 0,
			"egretd is not running (%s: %s): start it with `systemctl start egretd`",
			path, strerror(error));
		break;
	case EACCES:
		(void)diag_at(d, 0, 0, "%s: %s: its directory is closed to this user", path,
			      strerror(error));
		break;
	default:
		(void)diag_at(d, 0, 0, "cannot connect to %s: %s", path, strerror(error));
	}
	return -error;
}

int client_open(const char *path, struct diag *d, struct client **ret)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct client *c;

	if (strlen(path) >= sizeof(a.sun_path)) {
		(void)diag_at(d, 0, 0, "%s: the path is longer than a socket's may be", path);
		return -ENAMETOOLONG;
	}
	(void)slice_copy(slice_str(path), a.sun_path, sizeof(a.sun_path));
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	buf_init(&c->in, LINE_MAX_BYTES);
	c->path = strdup(path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!c->path || c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int error = errno;

		(void)client_free(c);
		return explain_connect(path, error, d);
	}
	*ret = c;
	return 0;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	cleanup_close(&c->fd);
	buf_release(&c->in);
	free(c->path);
	free(c);
	return NULL;
}

static int broken(const struct client *c, int error, const char *what, struct diag *d)
{
	(void)diag_at(d, 0, 0, "%s: %s: see egretd's log", c->path, what);
	return -error;
}

static int send_all(struct client *c, struct slice s, struct diag *d)
{
	while (s.n) {
		ssize_t n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			c->cut_off = true; /* refused early: the answer says why */
			return 0;
		}
		if (n < 0)
			return broken(c, errno, "the request could not be sent", d);
		s.p += n;
		s.n -= (size_t)n;
	}
	return 0;
}

int client_send(struct client *c, const char *command, const json_t *args, struct diag *d)
{
	json_t *request = json_pack("{ss sO*}", "cmd", command, "args", args);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0;
	int r;

	json_decref(request);
	if (!text)
		return -ENOMEM;
	text[n] = '\n'; /* in place of the terminator: the length is known */
	r = send_all(c, slice_of(text, n + 1), d);
	free(text);
	return r;
}

/* One line without its newline, borrowed until the next call; or -errno. */
static int read_line(struct client *c, struct slice *ret, struct diag *d)
{
	for (;;) {
		struct slice have = buf_slice(&c->in);
		const char *newline = memchr(have.p + c->scanned, '\n', have.n - c->scanned);
		char *to;
		ssize_t n;

		if (newline) {
			*ret = slice_of(have.p, (size_t)(newline - have.p));
			return 0;
		}
		c->scanned = have.n;
		to = buf_reserve(&c->in, 16384);
		if (!to)
			return broken(c, EMSGSIZE, "a line of the answer is too long", d);
		n = recv(c->fd, to, 16384, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return broken(c, EPIPE,
				      c->cut_off ? "egretd closed the connection on the request"
						 : "the answer broke off before its end",
				      d);
		buf_commit(&c->in, (size_t)n);
	}
}

int client_next(struct client *c, struct diag *d, json_t **ret)
{
	static const char *const kinds[] = {
		[CLIENT_ROW] = "row", [CLIENT_END] = "end", [CLIENT_ERROR] = "error"
	};
	struct slice line;
	json_t *root, *value;
	int r = read_line(c, &line, d);

	if (r < 0)
		return r;
	root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
	buf_consume(&c->in, line.n + 1);
	c->scanned = 0;
	for (int i = 0; json_object_size(root) == 1 && i < (int)ARRAY_SIZE(kinds); i++) {
		value = json_object_get(root, kinds[i]);
		if (!json_is_object(value))
			continue;
		*ret = json_incref(value);
		json_decref(root);
		return i;
	}
	json_decref(root);
	return broken(c, EPROTO, "the answer is not one of egretd's", d);
}
