/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request that is kept whole, because it decides and may have to be sent again: its
 * memory, and what its parser holds of it once more, count against the worker's and the cgroup's
 * share.
 */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"

struct exchange;

/* -ENOBUFS: the share is used up; -ENOMEM. */
int kept_append(struct exchange *x, struct slice piece) _must_check_;
/* Another one in its place. Takes `body`, whatever happens. -ENOBUFS. */
int kept_replace(struct exchange *x, struct buf *body) _must_check_;
/* The parser has read: counts what it holds now. -ENOBUFS. */
int kept_charge(struct exchange *x) _must_check_;
/* Gives the memory of x->body back, kept whole or not. */
void kept_drop(struct exchange *x);
