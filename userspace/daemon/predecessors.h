/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that an upgrade (upgrade.h) left behind, beside those of children.h:
 *
 *   recorder  ends at once: records wait in their slabs for its successor, which begins then
 *   workers   accept until predecessors_drain(), then serve what is open to the end of its answer,
 *             with our vault
 *   vault     answers what it was asked before the workers had ours
 *
 * They are served as ours are, watched, and not replaced when they end.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"

struct children;
struct kin;

/* To the next generation: every process, and the slabs of those that write. NULL: no memory. */
json_t *predecessors_hand_over(const struct children *c);
json_t *predecessors_hand_over_slabs(const struct children *c);
/* From the last, as predecessors_hand_over() wrote it; before children_start(). */
int predecessors_take(struct children *c, const json_t *list, struct diag *d) _must_check_;
/* Ours are ready: workers get our vault, end what they carry within deadline_ms, then go. */
void predecessors_drain(struct children *c, uint32_t deadline_ms);
void predecessors_stop(struct children *c, uint32_t deadline_ms);
void predecessors_free(struct children *c); /* kills what is left of them */

/* One of them has ended. */
void predecessors_gone(struct children *c, const struct kin *k);
/* A recorder of theirs still lives. */
bool predecessors_record(const struct children *c);
/* The edition in force. Workers that cannot read it begin nothing more. */
void predecessors_send_policy(struct children *c);
/* Their workers get a channel to our vault, if they have been drained: it is new. One that cannot
 * be told is ended. */
void predecessors_join_vault(struct children *c);
