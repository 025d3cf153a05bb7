/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the modes of cgroups as policy says: on the cgroups that a workload's "match" names by
 * path, where they differ from what is above. New cgroups are looked at as they appear; until then,
 * a few milliseconds, they have the mode above them, as the kernel gives it, and what they opened
 * meanwhile is for on_change to end. Nothing is remembered of a cgroup here: its mode lies on
 * itself and goes with it.
 */
#pragma once

#include "base/diag.h"
#include "event/loop.h"

struct dataplane;
struct edition;
struct identity;
struct modes;
struct warnings;

struct modes_opts {
	struct loop *loop;
	struct dataplane *dp;
	struct identity *identity;
	struct warnings *warnings;
	void (*on_change)(void *ctx); /* a cgroup that may be in use has another mode now */
	void *ctx;
};

int modes_new(const struct modes_opts *o, struct modes **ret) _must_check_;
struct modes *modes_free(struct modes *m); /* the modes stay in force; returns NULL */
/* Puts an edition's in force on every cgroup; identity has loaded it. -errno with d: cgroups that
 * could not be reached keep what they had. */
int modes_apply(struct modes *m, const struct edition *e, struct diag *d) _must_check_;
/* Gives a cgroup that was just made its mode, before anybody enters it. dir: its path. */
void modes_prepare(struct modes *m, const char *dir);
