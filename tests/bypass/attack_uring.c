/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring: calls made by no system call of their own, by worker threads of the kernel, by a thread
 * that polls, on sockets without a descriptor. With bare system calls, so that all forms are here.
 */
#include "attack.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 8

struct ring {
	int fd;
	unsigned flags;
	struct io_uring_params p;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
};

static unsigned *at(uint8_t *ring, unsigned offset)
{
	return (unsigned *)(void *)(ring + offset);
}

static void ring_open(struct ring *r, unsigned flags)
{
	int prot = PROT_READ | PROT_WRITE;
	size_t sq, cq;

	memset(r, 0, sizeof(*r));
	r->flags = r->p.flags = flags;
	r->p.sq_thread_idle = 1000;
	r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &r->p);
	if (r->fd < 0)
		give_up("io_uring_setup");
	sq = r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned);
	cq = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	r->sq = mmap(NULL, sq, prot, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, cq, prot, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), prot, MAP_SHARED | MAP_POPULATE,
		       r->fd, IORING_OFF_SQES);
	if (r->sq == MAP_FAILED || r->cq == MAP_FAILED || r->sqes == MAP_FAILED)
		give_up("mmap of the ring");
}

static struct io_uring_sqe *ring_next(struct ring *r, uint8_t op, int fd, uint8_t sqe_flags)
{
	unsigned *tail = at(r->sq, r->p.sq_off.tail);
	unsigned i = *tail & *at(r->sq, r->p.sq_off.ring_mask);
	struct io_uring_sqe *e = &r->sqes[i];

	memset(e, 0, sizeof(*e));
	e->opcode = op;
	e->fd = fd;
	e->flags = sqe_flags;
	at(r->sq, r->p.sq_off.array)[i] = i;
	return e;
}

static void ring_push(struct ring *r)
{
	unsigned *tail = at(r->sq, r->p.sq_off.tail);

	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

/* Submits what was pushed and waits for n results: the worst, or of one, that one. */
static int ring_run(struct ring *r, unsigned n)
{
	unsigned enter = IORING_ENTER_GETEVENTS, *head = at(r->cq, r->p.cq_off.head);
	int worst = 0, last = 0;

	if (r->flags & IORING_SETUP_SQPOLL)
		enter |= IORING_ENTER_SQ_WAKEUP;
	for (unsigned done = 0; done < n;) {
		if (syscall(SYS_io_uring_enter, r->fd, n, 1, enter, NULL, 0) < 0 && errno != EINTR)
			give_up("io_uring_enter");
		while (*head != __atomic_load_n(at(r->cq, r->p.cq_off.tail), __ATOMIC_ACQUIRE)) {
			unsigned i = *head & *at(r->cq, r->p.cq_off.ring_mask);
			struct io_uring_cqe *c =
				(struct io_uring_cqe *)(void *)(r->cq + r->p.cq_off.cqes) + i;

			/* Of zero-copy, the second one only says that the buffer is free. */
			if (!(c->flags & IORING_CQE_F_NOTIF)) {
				done++;
				last = c->res;
				worst = last < worst ? last : worst;
			}
			__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
		}
	}
	return worst < 0 ? worst : last;
}

static int one(struct ring *r)
{
	ring_push(r);
	return ring_run(r, 1);
}

static int ring_result(int res)
{
	return res < 0 ? res : 0;
}

static int ring_connect(const struct target *t, unsigned flags, uint8_t sqe_flags, int fd)
{
	struct io_uring_sqe *e;
	struct ring r;
	int res;

	ring_open(&r, flags);
	if (fd < 0) {
		e = ring_next(&r, IORING_OP_SOCKET, t->family, sqe_flags);
		e->off = SOCK_STREAM;
		fd = one(&r);
		if (fd < 0)
			return fd;
	}
	e = ring_next(&r, IORING_OP_CONNECT, fd, sqe_flags);
	e->addr = (uintptr_t)&t->to;
	e->off = t->n;
	res = one(&r);
	return res < 0 ? res : talk_on(fd, 0);
}

static int stream(const struct target *t)
{
	return make_socket(t->family, SOCK_STREAM, 0);
}

static int connect_inline(const struct target *t)
{
	return ring_connect(t, 0, 0, stream(t));
}

static int connect_async(const struct target *t)
{
	return ring_connect(t, 0, IOSQE_ASYNC, stream(t));
}

static int connect_polled(const struct target *t)
{
	return ring_connect(t, IORING_SETUP_SQPOLL, 0, stream(t));
}

static int connect_polled_async(const struct target *t)
{
	return ring_connect(t, IORING_SETUP_SQPOLL, IOSQE_ASYNC, stream(t));
}

static int socket_connect(const struct target *t)
{
	return ring_connect(t, 0, 0, -1);
}

static int socket_connect_async(const struct target *t)
{
	return ring_connect(t, 0, IOSQE_ASYNC, -1);
}

static int socket_connect_polled(const struct target *t)
{
	return ring_connect(t, IORING_SETUP_SQPOLL, 0, -1);
}

/* A socket that is in the ring's table only, and three calls in one submission. */
static int fixed_linked(const struct target *t)
{
	int none[2] = { -1, -1 };
	struct io_uring_sqe *e;
	struct ring r;
	char byte;

	ring_open(&r, 0);
	if (syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES, none, 2) < 0)
		give_up("io_uring_register");
	e = ring_next(&r, IORING_OP_SOCKET, t->family, IOSQE_IO_LINK);
	e->off = SOCK_STREAM;
	e->file_index = 1;
	ring_push(&r);
	e = ring_next(&r, IORING_OP_CONNECT, 0, IOSQE_IO_LINK | IOSQE_FIXED_FILE);
	e->addr = (uintptr_t)&t->to;
	e->off = t->n;
	ring_push(&r);
	e = ring_next(&r, IORING_OP_SEND, 0, IOSQE_IO_LINK | IOSQE_FIXED_FILE);
	e->addr = (uintptr_t) "hello\n";
	e->len = 6;
	ring_push(&r);
	e = ring_next(&r, IORING_OP_RECV, 0, IOSQE_FIXED_FILE);
	e->addr = (uintptr_t)&byte;
	e->len = 1;
	ring_push(&r);
	return ring_result(ring_run(&r, 4));
}

/* ---- datagrams ---- */

static int ring_send(const struct target *t, uint8_t op, unsigned flags, uint8_t sqe_flags)
{
	static char data[] = "data";
	struct iovec v = { .iov_base = data, .iov_len = 4 };
	union address to = t->to;
	struct msghdr m = { .msg_name = &to, .msg_namelen = t->n, .msg_iov = &v, .msg_iovlen = 1 };
	int fd = make_socket(t->family, SOCK_DGRAM, 0), res;
	struct io_uring_sqe *e;
	struct ring r;

	ring_open(&r, flags);
	e = ring_next(&r, op, fd, sqe_flags);
	if (op == IORING_OP_SENDMSG || op == IORING_OP_SENDMSG_ZC) {
		e->addr = (uintptr_t)&m;
		e->len = 1;
	} else {
		e->addr = (uintptr_t)data;
		e->len = 4;
		e->addr2 = (uintptr_t)&to;
		e->addr_len = (uint16_t)t->n;
	}
	res = one(&r);
	return res < 0 ? res : 0;
}

static int send_msg(const struct target *t)
{
	return ring_send(t, IORING_OP_SENDMSG, 0, 0);
}

static int send_msg_async(const struct target *t)
{
	return ring_send(t, IORING_OP_SENDMSG, 0, IOSQE_ASYNC);
}

static int send_msg_polled(const struct target *t)
{
	return ring_send(t, IORING_OP_SENDMSG, IORING_SETUP_SQPOLL, 0);
}

static int send_addr(const struct target *t)
{
	return ring_send(t, IORING_OP_SEND, 0, 0);
}

static int send_zerocopy(const struct target *t)
{
	return ring_send(t, IORING_OP_SEND_ZC, 0, 0);
}

static int send_msg_zerocopy(const struct target *t)
{
	return ring_send(t, IORING_OP_SENDMSG_ZC, 0, 0);
}

/* Connect and send in one submission: the kernel goes on only if the first one succeeds. */
static int datagram_linked(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_DGRAM, 0);
	struct io_uring_sqe *e;
	struct ring r;

	ring_open(&r, 0);
	e = ring_next(&r, IORING_OP_CONNECT, fd, IOSQE_IO_HARDLINK);
	e->addr = (uintptr_t)&t->to;
	e->off = t->n;
	ring_push(&r);
	e = ring_next(&r, IORING_OP_SEND, fd, 0);
	e->addr = (uintptr_t) "data";
	e->len = 4;
	ring_push(&r);
	return ring_result(ring_run(&r, 2));
}

const struct attack attacks_uring[] = {
	{ "uring-connect", connect_inline },
	{ "uring-connect-async", connect_async },
	{ "uring-connect-sqpoll", connect_polled },
	{ "uring-connect-sqpoll-async", connect_polled_async },
	{ "uring-socket", socket_connect },
	{ "uring-socket-async", socket_connect_async },
	{ "uring-socket-sqpoll", socket_connect_polled },
	{ "uring-fixed-linked", fixed_linked },
	{ "uring-sendmsg", send_msg },
	{ "uring-sendmsg-async", send_msg_async },
	{ "uring-sendmsg-sqpoll", send_msg_polled },
	{ "uring-send-address", send_addr },
	{ "uring-send-zerocopy", send_zerocopy },
	{ "uring-sendmsg-zerocopy", send_msg_zerocopy },
	{ "uring-udp-linked", datagram_linked },
	{ NULL, NULL },
};
