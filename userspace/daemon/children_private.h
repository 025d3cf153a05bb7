/* SPDX-License-Identifier: Apache-2.0 */
/* What children.c and wiring.c share. */
#pragma once

#include "daemon/children.h"
#include "egret/rpc.h"

struct slabs;

#define ARGV_MAX 8

struct kin {
	struct children *set;
	struct child *child;
	const char *argv[ARGV_MAX];
	char as[32]; /* "UID:GID" */
	unsigned slab; /* number of the one it writes */
	uint64_t generation; /* of the monitor that started it */
};

struct children {
	struct monitor *m;
	unsigned n_workers;
	size_t n; /* vault, recorder, workers */
	struct kin *v;
	struct kin *old; /* predecessors.h; as many from their taking over to the end */
	size_t n_old;
	bool drained; /* they have been told to drain */
	struct slabs *slabs;
	int audit_fd; /* the recorder's directory */
	int trust_fd; /* sealed bundle for the workers */
	char empty[4096]; /* directory that becomes the root of workers and vault */
	void (*on_stopped)(struct monitor *m);
	uint32_t deadline_ms;
};

extern const struct child_events children_events; /* ctx: struct kin */

/* One end of a new channel to each of two. */
int wiring_join(struct child *a, struct child *b) _must_check_;
/* Sends a process that has just been started all that its role needs. */
int wiring_started(struct children *c, struct child *child) _must_check_;
int wiring_send_policy(struct children *c, struct child *worker) _must_check_;
int wiring_send_resolvers(struct children *c, struct child *worker) _must_check_;
int wiring_send_trust(struct children *c, struct child *worker) _must_check_;
