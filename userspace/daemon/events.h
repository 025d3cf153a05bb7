/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator should see: refusals and oddities that the kernel reports, notes of the
 * children. Each is logged (within limits), given its workload, and stored by the recorder.
 */
#pragma once

#include "egret/rpc.h"
#include "event/loop.h"

struct dataplane;
struct events;
struct identity;
struct namespaces;

struct events_opts {
	struct loop *loop;
	struct dataplane *dp;
	struct identity *identity;
	/* Sends it to the recorder (event_store.h). */
	void (*store)(void *ctx, const struct eg_note *note);
	struct namespaces *namespaces;
	void *ctx;
};

int events_new(const struct events_opts *o, struct events **ret) _must_check_;
/* After identity_free(), whose last callbacks come here. Returns NULL. */
struct events *events_free(struct events *e);
/* Those of the kernel's that wait until it is known whose they are. */
unsigned events_pending(const struct events *e);
/* A note as a child sent it: its texts are bounded here, its words believed. */
void events_note(struct events *e, const char *from, struct eg_note *note);
