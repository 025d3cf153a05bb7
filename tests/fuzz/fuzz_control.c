/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's request: any bytes, cut anywhere, come in over a real socket. The first byte
 * of an input says how it is cut. Whatever comes, a request is answered with whole lines of JSON
 * that end in one end or error, or with nothing, and everything is freed.
 */
#include <assert.h>
#include <sys/socket.h>

#include "control/request.c"

static void do_echo(void *ctx, struct request *req)
{
	const char *text = NULL;
	uint64_t number = 0;

	(void)ctx;
	if (!request_string(req, "text", &text) || !request_number(req, "number", &number))
		return;
	assert(request_text(req).n < CONTROL_REQUEST_MAX);
	assert(number <= INT64_MAX);
	(void)!request_row(req, json_incref(request_args(req)));
	request_end(req, NULL);
}

static const struct control_command commands[] = {
	{ "echo", CONTROL_READ, CONTROL_PLAIN, do_echo },
	{ "admin", CONTROL_ADMIN, CONTROL_PLAIN, do_echo },
	{ "run", CONTROL_RUN, CONTROL_PLAIN, do_echo },
};

/* Lines of JSON, each an object of one member; the last and only the last is an end or an error. */
static void check_answer(const char *p, size_t n)
{
	bool ended = false;

	while (n) {
		const char *newline = memchr(p, '\n', n);
		json_t *line;

		assert(newline && !ended);
		line = json_loadb(p, (size_t)(newline - p), JSON_REJECT_DUPLICATES, NULL);
		assert(json_object_size(line) == 1);
		ended = !json_object_get(line, "row");
		json_decref(line);
		n -= (size_t)(newline - p) + 1;
		p = newline + 1;
	}
	/* Nothing at all is the answer to a client that went. */
}

static void drain(int fd)
{
	static char answer[1u << 20];
	size_t have = 0;
	ssize_t n;

	while ((n = recv(fd, answer + have, sizeof(answer) - have, MSG_DONTWAIT)) > 0)
		have += (size_t)n;
	check_answer(answer, have);
}

static struct control_server server;

static int set_up(void)
{
	server.loop = loop_new();
	server.fd = -EBADF;
	server.opts = (struct control_opts){ .commands = commands,
					     .n_commands = ARRAY_SIZE(commands),
					     .has_group = true,
					     .read_group = 1,
					     .conns_max = 8,
					     .conns_per_uid = 8,
					     .answer_max = 1u << 20,
					     .request_us = 60000000,
					     .answer_us = 60000000,
					     .stall_us = 60000000 };
	return server.loop ? 0 : -1;
}

static void feed(int fd, const uint8_t *data, size_t n, size_t step)
{
	while (server.requests && n) {
		size_t now = n < step ? n : step;

		if (send(fd, data, now, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)now)
			return;
		data += now;
		n -= now;
		for (size_t i = 0; server.requests && i < now / 4096 + 1; i++)
			on_ready(&server.requests->io, IO_READ);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct control_peer peer = { .pid = 1, .gid = 1, .pidfd = -EBADF };
	int pair[2], is_up = server.loop ? 0 : set_up();

	if (is_up < 0 || n < 1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	peer.uid = data[0] & 1;
	if (request_new(&server, pair[0], &peer) < 0)
		abort();
	feed(pair[1], data + 1, n - 1, data[0] < 128 ? (data[0] >> 1) + 1u : 65536);
	drain(pair[1]);
	cleanup_close(&pair[1]);
	if (server.requests)
		on_ready(&server.requests->io, IO_READ);
	assert(!server.requests);
	return 0;
}
