/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: many small allocations, one free. One per exchange; everything borrowed from it dies
 * with pool_clear(). It has a hard maximum; beyond it, and out of memory, it returns NULL.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

struct pool_block;

struct pool {
	struct pool_block *head; /* current block, newest first */
	size_t used; /* bytes handed out */
	size_t max;
};

void pool_init(struct pool *p, size_t max);
/* Frees everything at once, but keeps one small block for reuse if `keep`. */
void pool_clear(struct pool *p, bool keep);

/* 16-byte aligned, uninitialised / zeroed / copied; NULL with errno EMSGSIZE or ENOMEM. */
void *pool_alloc(struct pool *p, size_t n) _must_check_;
void *pool_zalloc(struct pool *p, size_t n) _must_check_;
/* Copies the bytes and adds a NUL that is not counted. .p is NULL on failure. */
struct slice pool_dup(struct pool *p, struct slice s) _must_check_;
char *pool_printf(struct pool *p, const char *fmt, ...) _printf_(2, 3) _must_check_;
