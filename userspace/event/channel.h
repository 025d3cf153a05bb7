/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message channel between two of egret's processes (headers/egret/rpc.h): SOCK_SEQPACKET, whole
 * messages, file descriptors alongside, requests matched with replies.
 *
 * The receiver knows the peer's role and checks every message against the table: type the peer may
 * send, length, number of fds. A message that fails ends the channel with -EPROTO: on_close runs,
 * and the owner gets rid of the peer. Messages that cannot be sent at once are queued up to a
 * bound of bytes and descriptors; beyond it the channel ends with -ENOBUFS.
 *
 * With `secret` set, messages are received into locked memory and zeroed after each callback; use
 * it where credentials pass. Never logs.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/rpc.h"
#include "event/loop.h"

struct channel;

struct msg {
	uint16_t type; /* enum eg_msg_type */
	uint32_t id; /* 0, or what channel_reply() needs */
	struct slice body; /* valid during the callback only */
	int *fds; /* take one with TAKE_FD(m->fds[i]); those left are closed after the callback */
	unsigned n_fds;
};

/* A message that is not a reply to one of ours. May free the channel. */
typedef void (*channel_msg_fn)(struct channel *ch, void *ctx, struct msg *m);
/* The channel ended: 0 when the peer closed, else negative errno. Called once, from the loop; free
 * the channel there or later. Pending calls get their callback (NULL) first. */
typedef void (*channel_close_fn)(struct channel *ch, void *ctx, int error);
/* The reply to a call; m is NULL when the channel ended or the time was up. */
typedef void (*channel_reply_fn)(void *ctx, struct msg *m);

struct channel_opts {
	uint32_t peer_role; /* EG_* bit: what the other side is */
	bool secret;
	channel_msg_fn on_msg;
	channel_close_fn on_close;
	void *ctx;
};

/* A connected pair, non-blocking and close-on-exec. */
int channel_pair(int ret_fds[2]) _must_check_;
/* Takes fd. The loop must outlive the channel. */
int channel_new(struct loop *l, int fd, const struct channel_opts *opts,
		struct channel **ret) _must_check_;
struct channel *channel_free(struct channel *ch); /* closes; pending calls get NULL; returns NULL */

int channel_fd(const struct channel *ch); /* borrowed */
/* Nothing waits to be sent: whoever holds the descriptor next goes on where we were. */
bool channel_is_flushed(const struct channel *ch);
/* Some channel_call() waits for its answer. */
bool channel_is_owed(const struct channel *ch);

/* Sends one message. fds stay the caller's (they are duplicated on the way).
 * 0, -EMSGSIZE, -ENOMEM, -EPIPE when the channel has ended. */
int channel_send(struct channel *ch, uint16_t type, const void *body, size_t n, const int *fds,
		 unsigned n_fds) _must_check_;
/* The same, body in two parts (a struct and its tail). */
int channel_send2(struct channel *ch, uint16_t type, const void *head, size_t head_n,
		  const void *tail, size_t tail_n, const int *fds, unsigned n_fds) _must_check_;
/* Sends a request; on_reply runs exactly once if 0 is returned, never if not. timeout_us 0: none.
 */
int channel_call(struct channel *ch, uint16_t type, const void *head, size_t head_n,
		 const void *tail, size_t tail_n, const int *fds, unsigned n_fds,
		 uint64_t timeout_us, channel_reply_fn on_reply, void *ctx) _must_check_;
/* Answers a message that had an id. */
int channel_reply(struct channel *ch, uint16_t type, uint32_t id, const void *head, size_t head_n,
		  const void *tail, size_t tail_n, const int *fds, unsigned n_fds) _must_check_;

/* Before there is a loop: blocks for one message of the given type (a child's start message).
 * body is copied to ret_body (size bytes); fds to ret_fds. Returns body length or -errno. */
ssize_t channel_recv_blocking(int fd, uint16_t type, void *ret_body, size_t size, int *ret_fds,
			      unsigned max_fds, unsigned *ret_n_fds) _must_check_;
