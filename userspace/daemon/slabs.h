/* SPDX-License-Identifier: Apache-2.0 */
/* The files behind the workers' audit slabs: made by the monitor, kept across everybody's death. */
#pragma once

#include "base/diag.h"
#include "base/json.h"

struct channel;
struct slabs;

/* dir: the run directory. n: workers. Slabs that more workers left earlier are found too. held:
 * slabs of an earlier generation's workers, as slabs_hand_over() wrote them, or NULL: those are
 * not given to others, and their eventfds are kept. */
int slabs_new(const char *dir, unsigned n, const json_t *held, struct diag *d,
	      struct slabs **ret) _must_check_;
/* Number of the file that worker `index` writes. */
unsigned slabs_number(const struct slabs *s, unsigned index);
json_t *slabs_hand_over(const struct slabs *s); /* NULL: out of memory */
struct slabs *slabs_free(struct slabs *s); /* returns NULL; the files stay */
/* To a worker: its own, to write. */
int slabs_send_worker(const struct slabs *s, struct channel *worker, unsigned index) _must_check_;
/* To the recorder: all, to drain. Those whose worker does not live are orphans. */
int slabs_send_recorder(const struct slabs *s, struct channel *recorder) _must_check_;
/* To the recorder: the worker died. */
int slabs_send_orphan(struct channel *recorder, unsigned number) _must_check_;
