/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's server, inside the monitor: one request a connection, answered with any
 * number of rows and one end (PROTOCOL.md). It knows who is asking from the kernel, decides by
 * a table of commands whether that one may, and hands allowed requests to their handler. It never
 * blocks, never logs, and never trusts a client to read, to finish or to be polite.
 *
 * A handler may answer at once or keep the request and answer later. It ends the request exactly
 * once, with request_end(), request_error(), request_diag() or request_take_fd(), also when the
 * client has gone meanwhile; after that the pointer is dead.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/diag.h"
#include "base/json.h"
#include "event/loop.h"

#define CONTROL_REQUEST_MAX 65536 /* bytes of a request, newline included */
#define CONTROL_TEXT_MAX    (17u << 20) /* of root's, to a command that takes a text */

struct control_server;
struct request;

/* Root may everything. */
enum control_access {
	CONTROL_READ, /* and members of the configured group */
	CONTROL_ADMIN, /* nobody else */
	CONTROL_RUN, /* and whomever control_opts.may_run lets */
};

/* Who connected, as the kernel recorded it at connect(). Borrowed from the request. */
struct control_peer {
	pid_t pid; /* 0: the process is in a pid namespace that cannot be seen from here */
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary */
	size_t n_groups;
	int pidfd; /* of that process: `pid` names it only while this says it lives. -EBADF: the
		      kernel has none (before 6.5) */
};

enum control_form {
	CONTROL_PLAIN,
	CONTROL_WATCH, /* answers until the client goes: no deadline */
	CONTROL_TEXT, /* root's request may be as long as CONTROL_TEXT_MAX */
};

typedef void (*control_fn)(void *ctx, struct request *req);

struct control_command {
	const char *name; /* "policy.load" */
	enum control_access access;
	enum control_form form;
	control_fn run;
};

/* Zero means "default" or "nobody" for every field but the table. */
struct control_opts {
	const struct control_command *commands; /* must outlive the server */
	size_t n_commands;
	void *ctx; /* of handlers and may_run */
	bool has_group;
	gid_t read_group; /* may READ, when has_group */
	/* Decides CONTROL_RUN for others than root; NULL: nobody. `args` is the request's object.
	 */
	bool (*may_run)(void *ctx, const struct control_peer *peer, const json_t *args);
	unsigned conns_max; /* of all users but root, and as many again for root: 64 */
	unsigned conns_per_uid; /* of one user but root: 8 */
	size_t answer_max; /* bytes waiting for one slow reader: 8 MiB */
	uint64_t request_us; /* for the request to arrive: 5 s */
	uint64_t answer_us; /* for a handler that is not a watch to answer: 60 s */
	uint64_t stall_us; /* without the reader taking a byte: 10 s */
};

/*
 * Makes the listening socket, in place of one a dead daemon left: mode 0666, because peer
 * credentials decide. The directory must be root's. The caller holds the single-instance lock.
 */
int control_listen(const char *path, struct diag *d, int *ret_fd) _must_check_;

/* Takes listen_fd (listening, non-blocking) on success. The loop must outlive the server. */
int control_server_new(struct loop *l, int listen_fd, const struct control_opts *o,
		       struct control_server **ret) _must_check_;
/* Ends every connection; on_gone runs for requests still held, which are dead after it. Returns
 * NULL. */
struct control_server *control_server_free(struct control_server *s);
int control_server_fd(const struct control_server *s); /* that listens; borrowed */
/* Changes who may read from the next request on (after a reload). */
void control_server_set_group(struct control_server *s, bool has_group, gid_t read_group);

/* ---- what a handler may ask ---- */

json_t *request_args(const struct request *r); /* borrowed, an object, possibly empty */
const struct control_peer *request_peer(const struct request *r);
/* String and number among the arguments: *ret is NULL / untouched when it is absent; false when it
 * is of another type (or negative): the request has been answered with an error then. */
bool request_string(struct request *r, const char *name, const char **ret) _must_check_;
bool request_number(struct request *r, const char *name, uint64_t *ret) _must_check_;
/* The request as received, without newline, for another process to read (the recorder). */
struct slice request_text(const struct request *r);

/* Called once if the client goes, or the deadline passes, before the request was ended. The request
 * still has to be ended (by anything; nothing is sent), in the callback or later; except when the
 * server itself is being freed: server_gone is true then, and the pointer dead after the callback.
 */
typedef void (*request_gone_fn)(void *ctx, struct request *r, bool server_gone);
void request_on_gone(struct request *r, request_gone_fn fn, void *ctx);

/* ---- what a handler answers ---- */

/* Sends {"row": row} (steals it; NULL is -ENOMEM). -EPIPE: the client is gone or too slow; stop
 * producing and end the request. */
int request_row(struct request *r, json_t *row) _must_check_;
/* Sends {"end": end} (steals it; NULL: {}). */
void request_end(struct request *r, json_t *end);
/* Sends {"error": {reason, message}}; message: "object: cause: what to do". */
void request_error(struct request *r, const char *reason, const char *fmt, ...) _printf_(3, 4);
/* The same with a diagnostic's place in a file. */
void request_diag(struct request *r, const char *reason, const struct diag *d);
/* Ends the request by handing out the connection itself, non-blocking, to be answered by another
 * process that closes it. Only before any row. -EPIPE: the client is gone (the request ends too).
 */
int request_take_fd(struct request *r) _must_check_;
