/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's children: one vault, one recorder, n workers, and what each is sent when it comes
 * up, so that a new one takes the place of a dead one without the others noticing. Slabs, listeners
 * and sealed images are kept here and in the monitor, never by a child alone.
 */
#pragma once

#include "daemon/child.h"
#include "daemon/monitor.h"

struct children;

int children_new(struct monitor *m, struct diag *d, struct children **ret) _must_check_;
struct children *children_free(struct children *c); /* kills what is left; returns NULL */
int children_start(struct children *c, struct diag *d) _must_check_;
/* Workers first, then vault and recorder, so that every record is stored. on_stopped runs once. */
void children_stop(struct children *c, uint32_t deadline_ms, void (*on_stopped)(struct monitor *m));
/* Nothing waits to be sent to any, and none is about to end. */
bool children_settled(const struct children *c);
bool children_ready(const struct children *c); /* every one */

size_t children_count(const struct children *c);
/* Vault, recorder, workers; then predecessors. */
struct child *children_at(const struct children *c, size_t i);
unsigned children_workers(const struct children *c);
struct child *children_worker(const struct children *c, unsigned index);
struct child *children_vault(const struct children *c);
struct child *children_recorder(const struct children *c);

/* To every worker that is there: the edition in force, the IPv6 listeners, a new trust bundle (of
 * trust_upstream(); taken). */
void children_send_policy(struct children *c);
void children_send_listeners6(struct children *c);
/* To each of ours; predecessors may not know the message. The name servers are those of
 * resolv.conf, unless others are configured. */
void children_send_resolvers(struct children *c);
void children_send_log_level(struct children *c);
void children_set_trust(struct children *c, int fd);
