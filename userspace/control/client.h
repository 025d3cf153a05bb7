/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's client, for the command line: blocking, one request, then rows until the
 * end. It says in a diag what a person should know; it prints nothing.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"

struct client;

enum client_answer {
	CLIENT_ROW, /* *ret: the row */
	CLIENT_END, /* *ret: the end object; nothing follows */
	CLIENT_ERROR, /* *ret: the error object {reason, message, ...}; nothing follows */
};

/* -ENOENT, -ECONNREFUSED: no daemon is there. -EACCES: the socket's directory is closed to us. */
int client_open(const char *path, struct diag *d, struct client **ret) _must_check_;
struct client *client_free(struct client *c); /* returns NULL */
/* Sends one request; args is borrowed and may be NULL. */
int client_send(struct client *c, const char *command, const json_t *args,
		struct diag *d) _must_check_;
/* Waits for the next line of the answer: enum client_answer and *ret (the caller's), or -errno. */
int client_next(struct client *c, struct diag *d, json_t **ret) _must_check_;
