/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds a request body to a cap on output tokens: larger numbers are written down, nulls and
 * missing ones written in, nothing else changes by a byte. Works on what inspect.h found. Pure.
 */
#pragma once

#include "base/buf.h"
#include "proxy/inspect.h"

/* cap > 0. 1: ret holds the new body; 0: it is within the cap as it is (ret untouched); -errno. */
int rewrite_cap(const struct inspect *i, struct slice body, uint64_t cap, struct pool *pool,
		struct buf *ret) _must_check_;
/* The largest number of tokens the body asks for; 0: it names none. */
uint64_t rewrite_max_tokens(const struct inspect *i);
