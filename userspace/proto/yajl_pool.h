/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yajl's memory out of a pool: what is small, so that most scans cost no malloc. What is large, or
 * does not fit, is malloc'ed and counted: yajl does not check for NULL, so nothing is refused here,
 * and who feeds it looks at the count. yajl_free() gives the latter back, clearing the pool the
 * rest: in this order.
 */
#pragma once

#include <stddef.h>
#include <yajl/yajl_common.h>

struct pool;

struct yajl_pool {
	struct pool *pool;
	size_t bytes; /* malloc'ed now, beside the pool's */
};

/* m must outlive what is made with these. */
void yajl_pool_funcs(struct yajl_pool *m, yajl_alloc_funcs *ret);
