/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages among egret's processes, from a peer gone bad. First byte: 0-3 raw datagrams into a
 * channel whose peer has that role; what is delivered must be within the table of rpc.h. 4: a
 * conversation with a real vault: its monitor and two workers send what the input says. 5: a query
 * for the recorder.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/query.h"
#include "base/log.h"
#include "event/channel.h"
#include "vault/vault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* In place of the library's: the vault says something about every bad message. */
void log_setup(const char *module, enum log_level level, bool json)
{
	(void)module;
	(void)level;
	(void)json;
}

void log_told_level(struct slice body)
{
	(void)body;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

bool log_allowed(struct log_limit *l, unsigned burst)
{
	return l->seen++ < burst;
}

static const struct {
	uint32_t from, max;
} table[EG_MSG_COUNT] = {
#define X(name, role, len) [EG_MSG_##name] = { role, len },
	EG_MSGS(X)
#undef X
};

struct input {
	const uint8_t *p;
	size_t n;
};

static uint8_t take_byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static struct input take(struct input *in, size_t n)
{
	struct input part = { in->p, n < in->n ? n : in->n };

	in->p += part.n;
	in->n -= part.n;
	return part;
}

static int any_file(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0);
	return fd;
}

/* As it is; what does not fit into the socket is lost. */
static void send_raw(int to, const struct iovec *iov, size_t n_iov, const int *fds, unsigned n_fds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * EG_MSG_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr mh = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov };

	if (n_fds) {
		struct cmsghdr *c;

		mh.msg_control = control.space;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	(void)sendmsg(to, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- a channel ---- */

struct listener {
	struct loop *loop;
	uint32_t role;
};

static void on_msg(struct channel *ch, void *ctx, struct msg *m)
{
	const struct listener *l = ctx;
	volatile char sum = 0;

	assert(m->type > EG_MSG_none && m->type < EG_MSG_COUNT);
	assert(table[m->type].from & l->role);
	assert(m->body.n <= table[m->type].max && m->n_fds <= EG_MSG_FDS);
	for (size_t i = 0; i < m->body.n; i++)
		sum = (char)(sum ^ m->body.p[i]);
	for (unsigned i = 0; i < m->n_fds; i++)
		assert(fcntl(m->fds[i], F_GETFD) == FD_CLOEXEC);
	if (m->id)
		(void)!channel_reply(ch, m->type, m->id, NULL, 0, NULL, 0, NULL, 0);
}

static void on_close(struct channel *ch, void *ctx, int error)
{
	const struct listener *l = ctx;

	(void)ch;
	assert(error == 0 || error == -EPROTO || error == -ENOBUFS);
	loop_stop(l->loop);
}

static void attack_channel(struct input in, uint32_t role)
{
	struct listener l = { .loop = loop_new(), .role = role };
	struct channel_opts o = { .peer_role = role,
				  .secret = in.n & 1,
				  .on_msg = on_msg,
				  .on_close = on_close,
				  .ctx = &l };
	struct channel *ch = NULL;
	int ends[2], file = any_file();
	int r = channel_pair(ends);

	assert(r == 0 && l.loop);
	r = channel_new(l.loop, ends[0], &o, &ch);
	assert(r == 0);
	while (in.n) {
		unsigned n_fds = take_byte(&in) % (EG_MSG_FDS + 1);
		struct input part = take(&in, take_byte(&in));
		struct iovec iov = { (void *)(uintptr_t)part.p, part.n };
		int fds[EG_MSG_FDS];

		for (unsigned i = 0; i < n_fds; i++)
			fds[i] = file;
		send_raw(ends[1], &iov, 1, fds, n_fds);
	}
	(void)close(ends[1]);
	loop_run(l.loop);
	(void)channel_free(ch);
	(void)loop_free(l.loop);
	(void)close(file);
}

/* ---- the vault ---- */

#define WORKERS 2

static void send_msg(int to, uint16_t type, uint32_t id, const void *body, size_t n, const int *fds,
		     unsigned n_fds)
{
	struct eg_msg_header h = {
		.type = type, .n_fds = (uint16_t)n_fds, .id = id, .len = (uint32_t)n
	};
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)body, n } };

	send_raw(to, iov, 2, fds, n_fds);
}

static int add_worker(int monitor, uint32_t index)
{
	struct eg_peer q = { .role = EG_WORKER, .index = index };
	int ends[2];
	int r = channel_pair(ends);

	assert(r == 0);
	send_msg(monitor, EG_MSG_peer, 0, &q, sizeof(q), &ends[1], 1);
	(void)close(ends[1]);
	return ends[0];
}

/* files: one to read a credential from, then two for the CA.
 * A message: who sends it, type, id and fds, then a body that may be padded to the size that its
 * type has (byte 255), so that handlers see whole structures soon. */
static void converse(struct input *in, int monitor, const int *workers, const int *files)
{
	static const size_t whole[EG_MSG_COUNT] = {
		[EG_MSG_lease] = sizeof(struct eg_lease),
		[EG_MSG_credential] = sizeof(struct eg_credential),
		[EG_MSG_credential_drop] = sizeof(struct eg_credential),
		[EG_MSG_peer] = sizeof(struct eg_peer),
	};
	uint8_t who = take_byte(in) % (WORKERS + 1), type = take_byte(in) % (EG_MSG_COUNT + 1);
	uint8_t bits = take_byte(in), length = take_byte(in);
	struct input body = take(in, length);
	char padded[1024] = { 0 };
	size_t n = body.n;

	if (n)
		memcpy(padded, body.p, n);
	if (bits & 0x80 && type < EG_MSG_COUNT && whole[type])
		n = whole[type];
	send_msg(who ? workers[who - 1] : monitor, type, bits & 7, padded, n,
		 type == EG_MSG_ca_load ? files + 1 : files, ((bits >> 3) & 3) % 3);
}

static void attack_vault(struct input in)
{
	struct eg_start start = { .role = EG_VAULT };
	struct eg_stop stop = { .deadline_ms = 100000 };
	struct vault *v = NULL;
	struct diag d = { 0 };
	int ends[2], workers[WORKERS], files[3] = { any_file(), any_file(), any_file() };
	int r = channel_pair(ends);

	assert(r == 0);
	r = vault_new(ends[0], &start, SLICE("{}"), NULL, 0, &d, &v);
	assert(r == 0);
	if (write(files[0], "sk-fuzz", 7) == 7 && lseek(files[0], 0, SEEK_SET) == 0 &&
	    take_byte(&in) & 1)
		(void)!ftruncate(files[0], 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		workers[i] = add_worker(ends[1], i);
	while (in.n)
		converse(&in, ends[1], workers, files);
	/* It ends when both workers are gone. */
	send_msg(ends[1], EG_MSG_stop, 0, &stop, sizeof(stop), NULL, 0);
	for (unsigned i = 0; i < WORKERS; i++)
		(void)shutdown(workers[i], SHUT_WR);
	(void)shutdown(ends[1], SHUT_WR);
	(void)vault_run(v);
	(void)vault_free(v);
	for (unsigned i = 0; i < WORKERS; i++)
		(void)close(workers[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
		(void)close(files[i]);
	(void)close(ends[1]);
}

static void attack_query(struct slice text)
{
	struct query_error e = { 0 };
	struct query *q = NULL;
	int r = query_new(text, &e, &q);

	assert(r == 0 || (r == -EINVAL && e.reason && e.message[0]));
	(void)query_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in = { data, n };
	uint8_t mode = take_byte(&in) % 6;

	if (mode < 4)
		attack_channel(in, 1u << mode);
	else if (mode == 4)
		attack_vault(in);
	else
		attack_query(slice_of(in.p, in.n));
	return 0;
}
