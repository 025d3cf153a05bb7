/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows about the kernel side, as PROTOCOL.md defines them: made by the monitor for its answers, and
 * by `egret` from the pins when there is no monitor. NULL: out of memory.
 */
#pragma once

#include "base/json.h"
#include "dataplane/cgroup_walk.h"
#include "dataplane/inspect.h"

/* Text others chose (a process's name, a path), at most max bytes: what is not UTF-8 becomes
 * U+FFFD, where json_string() would refuse all of it and a row would be lost. */
json_t *rows_text(const char *s, size_t max);
json_t *rows_prog(const struct inspect_prog *p);
json_t *rows_map(const struct inspect_map *m);
/* One hook as `check` sees it: {name, attach_type, attached, rivals: [{id, name}]}. */
json_t *rows_hook(const struct inspect_hook *h);
/* provider: its name, or NULL when only the index is known. */
json_t *rows_endpoint(const struct eg_endpoint_key *k, const struct eg_endpoint *e,
		      const char *provider, uint64_t now_ns);
/* One that a cgroup learned: of DNS, or of the tripwire. */
json_t *rows_learned(const struct eg_learned_entry *e, const struct cgroup_item *of,
		     const char *provider, uint64_t now_ns);
/* A cgroup and the mode that holds there; its workload is the caller's to add. */
json_t *rows_cgroup(const struct cgroup_item *i);
json_t *rows_flow(const struct eg_flow *f, const char *provider, uint64_t now_ns);
/* "1.2.3.4" or "2001:db8::1"; size >= INET6_ADDRSTRLEN. */
void rows_address(const struct eg_addr *a, char *to, size_t size);

/* Every non-zero counter as {hook, reason, count}, then those of events and DNS, which have no
 * reason. Stops at and returns what fn returned if that is not 0. fn takes the row (NULL: out of
 * memory). */
typedef int (*rows_fn)(void *ctx, json_t *row);
int rows_counts(const struct inspect_counts *c, rows_fn fn, void *ctx) _must_check_;
