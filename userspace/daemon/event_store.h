/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way to the recorder. While there is none (it died, or an upgrade replaces it) the
 * first EVENT_STORE_MAX wait for the next; what is more is in the log only, and counted there.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "egret/rpc.h"

#define EVENT_STORE_MAX 256u

struct channel;
struct event_store;

int event_store_new(struct event_store **ret) _must_check_;
struct event_store *event_store_free(struct event_store *s); /* returns NULL */
/* recorder: its channel, NULL while there is none. */
void event_store_put(struct event_store *s, struct channel *recorder, const struct eg_note *note);
bool event_store_is_empty(const struct event_store *s); /* none waits */
/* There is a recorder: it gets those that wait. */
void event_store_flush(struct event_store *s, struct channel *recorder);
