/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes through all processes, a few at a time so that nothing else waits, and tells which network
 * namespace each is in. Looks only: whom that concerns is for the caller to find out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "event/loop.h"

struct census;

/* netns: inode number, valid while something holds the namespace. */
typedef void (*census_process_fn)(void *ctx, pid_t pid, uint64_t netns);
/* All that were there from beginning to end have been told. */
typedef void (*census_end_fn)(void *ctx);

int census_new(struct loop *l, census_process_fn on_process, census_end_fn on_end, void *ctx,
	       struct census **ret) _must_check_;
struct census *census_free(struct census *c); /* returns NULL */
/* Begins soon; one that is under way goes on instead. */
void census_start(struct census *c);
bool census_is_running(const struct census *c);
/* Of task TID of an open /proc/PID (0: of its leader), as census_process_fn has it. -ENOENT. */
int census_netns(int process_dir, pid_t tid, uint64_t *ret) _must_check_;
