/* SPDX-License-Identifier: Apache-2.0 */
/* What server.c and request.c share: the server, and a request with its connection. Private. */
#pragma once

#include "base/buf.h"
#include "control/peer.h"
#include "control/server.h"

/*
 * READING ──line complete──► RUNNING ──ended──► DRAINING ──sent, or too slow──► freed
 *    │                          │ client gone, or deadline
 *    │ refused                  ▼
 *    └──► DRAINING            GONE ──ended by its handler──► freed
 *
 * DEAD: the server is being freed; nothing the holder still calls has an effect.
 */
enum request_state {
	REQUEST_READING,
	REQUEST_RUNNING,
	REQUEST_GONE,
	REQUEST_DRAINING,
	REQUEST_DEAD
};

struct request {
	struct control_server *server;
	struct request *next, **prev; /* in the server's list */
	enum request_state state;
	int fd; /* -EBADF in GONE */
	struct io io;
	struct timer deadline; /* of the request's arrival, then of its answer */
	struct timer stall; /* runs while bytes wait for the reader */
	struct buf in, out;
	size_t scanned; /* bytes of `in` known to hold no newline */
	bool input_ended; /* the client will send nothing more, but reads */
	bool answered; /* bytes were handed to `out`: the connection cannot be given away any more
			*/
	struct control_peer peer;
	json_t *root; /* the parsed request */
	json_t *args; /* in it, or an empty object of its own */
	const struct control_command *command;
	request_gone_fn on_gone;
	void *gone_ctx;
};

struct control_server {
	struct loop *loop;
	int fd;
	struct io io;
	bool is_patient; /* unasked descriptors may come: patience.h */
	struct timer pause; /* while the process is out of descriptors */
	struct control_opts opts;
	struct request *requests;
};

/* Takes fd and the peer; the request frees itself. */
int request_new(struct control_server *s, int fd, struct control_peer *peer) _must_check_;
void request_free(struct request *r);
/* Closes a client's connection with whatever waits in it. */
void request_close(const struct control_server *s, int *fd);
/* server.c: the table and the rights; called when a request has been parsed. May free it. */
void server_dispatch(struct control_server *s, struct request *r, const char *name);
