/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/key_read.h"

#include <fcntl.h>

#include "vault/keys.h"

struct key_read {
	struct io io;
	struct timer timer;
	struct secret value;
	key_read_fn fn;
	void *ctx;
};

struct key_read *key_read_cancel(struct key_read *kr)
{
	if (!kr)
		return NULL;
	io_stop(&kr->io);
	timer_stop(&kr->timer);
	(void)close(io_fd(&kr->io));
	secret_free(&kr->value);
	free(kr);
	return NULL;
}

static void finish(struct key_read *kr, int error)
{
	key_read_fn fn = kr->fn;
	void *ctx = kr->ctx;
	struct secret value = kr->value;

	kr->value = (struct secret){ 0 };
	(void)key_read_cancel(kr);
	fn(ctx, error, &value);
	secret_free(&value);
}

static void on_timeout(struct timer *t)
{
	finish(container_of(t, struct key_read, timer), -ETIMEDOUT);
}

static void on_readable(struct io *io, int events)
{
	struct key_read *kr = container_of(io, struct key_read, io);
	ssize_t n;

	(void)events;
	if (kr->value.n == kr->value.size) {
		finish(kr, -EMSGSIZE);
		return;
	}
	n = read(io_fd(io), kr->value.p + kr->value.n, kr->value.size - kr->value.n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		finish(kr, -errno);
		return;
	}
	kr->value.n += (size_t)n;
	if (n == 0)
		finish(kr, keys_trim(&kr->value));
}

int key_read_start(struct loop *l, int fd, key_read_fn fn, void *ctx, struct key_read **ret)
{
	struct key_read *kr = calloc(1, sizeof(*kr));
	int flags = fcntl(fd, F_GETFL), r = kr ? 0 : -ENOMEM;

	if (r == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		r = -errno;
	/* Room for a value, a line end and one byte too many. */
	if (r == 0)
		r = secret_new(KEYS_VALUE_MAX + 3, &kr->value);
	if (r < 0) {
		free(kr);
		(void)close(fd);
		return r;
	}
	kr->fn = fn;
	kr->ctx = ctx;
	io_start(&kr->io, l, fd, IO_READ, on_readable);
	timer_start(&kr->timer, l, KEY_READ_TIMEOUT_US, on_timeout);
	*ret = kr;
	return 0;
}
