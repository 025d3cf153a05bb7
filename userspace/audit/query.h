/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One `audit` or `event` request (control/PROTOCOL.md): parsed, then answered in slices of bounded
 * work, so that a listing of millions of rows never keeps the recorder from draining slabs. Nothing
 * in the database is held open between slices. Called by answer.c.
 *
 * A list goes by time; `limit` is found by going back from the newest first. A watch goes on by row
 * id, so it sees every row that is stored after it began, once.
 */
#pragma once

#include "audit/store.h"
#include "base/buf.h"
#include "base/slice.h"

struct query;

/* Why a request was refused: a word for programs (PROTOCOL.md), text for people. */
struct query_error {
	const char *reason;
	char message[256];
};

/* text: the request, one JSON object. -EINVAL with ret_error filled, -ENOMEM. */
int query_new(struct slice text, struct query_error *ret_error, struct query **ret) _must_check_;
struct query *query_free(struct query *q);

enum query_step {
	QUERY_MORE, /* call again */
	QUERY_WAITS, /* a watch has sent all there is: call again after the next commit */
	QUERY_ENDED, /* the end (or error) line has been written */
};

/* Does one slice of work and appends whole lines (at most about 5 MB, mostly much less).
 * An enum query_step, or -errno as in store.h, or -EMSGSIZE / -ENOMEM from the buffer. */
int query_step(struct query *q, struct store *s, struct buf *out) _must_check_;

/* An error line as PROTOCOL.md has it. */
int query_put_error(struct buf *out, const char *reason, const char *message) _must_check_;
