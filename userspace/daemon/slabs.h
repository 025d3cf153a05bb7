/* SPDX-License-Identifier: Apache-2.0 */
/* The files behind the workers' audit slabs: made by the monitor, kept across everybody's death. */
#pragma once

#include "base/diag.h"

struct channel;
struct slabs;

/* dir: the run directory. n: workers. Slabs that more workers left earlier are found too. */
int slabs_new(const char *dir, unsigned n, struct diag *d, struct slabs **ret) _must_check_;
struct slabs *slabs_free(struct slabs *s); /* returns NULL; the files stay */
/* To a worker: its own, to write. */
int slabs_send_worker(const struct slabs *s, struct channel *worker, unsigned index) _must_check_;
/* To the recorder: all, to drain. Those whose worker does not live are orphans. */
int slabs_send_recorder(const struct slabs *s, struct channel *recorder) _must_check_;
/* To the recorder: the worker died. */
int slabs_send_orphan(struct channel *recorder, unsigned index) _must_check_;
