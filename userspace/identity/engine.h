/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container engines asked over their sockets for what a cgroup's path does not tell: image and
 * labels, which no container changes while it lives. Each container is asked for once and kept; an
 * engine that does not know it, or does not answer in time, is asked again after a pause. Nothing
 * here waits: questions run on the loop.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/slice.h"
#include "event/loop.h"
#include "identity/engine_reply.h"

struct engines;

struct engines_opts {
	const char *const *sockets; /* paths, asked in this order; copied */
	size_t n_sockets;
	/* error NULL: the engine answers (again). */
	void (*on_state)(void *ctx, const char *socket, const char *error);
	void *ctx;
};

int engines_new(struct loop *l, const struct engines_opts *o, struct engines **ret) _must_check_;
/* Who waits is called. Returns NULL. */
struct engines *engines_free(struct engines *e);

/* What is known of a container (64 hex digits); NULL: nothing, now. Valid until the loop goes on.
 */
const struct engine_facts *engines_find(const struct engines *e, struct slice id);
/* Every engine has said that it does not know it, or none is asked: no answer will come. */
bool engines_deny(const struct engines *e, struct slice id);
typedef void (*engines_fn)(void *ctx);
/* 0: it is being asked for, fn runs once, later. -ENOENT: no engine knows it, or none is there.
 * -EBUSY: too many questions are under way. -ENOMEM. */
int engines_ask(struct engines *e, struct slice id, engines_fn fn, void *ctx) _must_check_;
