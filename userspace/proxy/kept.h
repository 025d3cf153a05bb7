/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request that is kept whole, because it decides and may have to be sent again: its
 * memory counts against the worker's and the cgroup's share of it.
 */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"

struct exchange;

/* -ENOBUFS: the share is used up; -ENOMEM. */
int kept_append(struct exchange *x, struct slice piece) _must_check_;
/* Another one in its place. Takes `body`, whatever happens. -ENOBUFS. */
int kept_replace(struct exchange *x, struct buf *body) _must_check_;
/* Gives the memory of x->body back, kept whole or not. */
void kept_drop(struct exchange *x);
