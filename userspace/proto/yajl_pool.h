/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yajl's memory out of a pool: what is small, so that most scans cost no malloc. What is large, or
 * does not fit, is malloc'ed: yajl does not check for NULL, and the body's bound is the bound of
 * what it may keep. yajl_free() gives the latter back, clearing the pool the rest: in this order.
 */
#pragma once

#include <yajl/yajl_common.h>

struct pool;

void yajl_pool_funcs(struct pool *pool, yajl_alloc_funcs *ret);
