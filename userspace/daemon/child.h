/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One child process of the monitor: started, watched, started again. It is this program executed
 * once more with a role, so that it shares no memory with the monitor. A child that dies, says
 * nothing for too long, or sends what it may not, is killed and replaced: at once at first, then
 * with growing pauses while it keeps dying. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "event/channel.h"

enum child_state {
	CHILD_DOWN, /* no process; one will be started */
	CHILD_STARTING, /* it has not said ready */
	CHILD_READY,
	CHILD_STOPPED, /* no process, and none will be started */
};

struct child;

struct child_events {
	/* There is a process with a channel: send it `start` and what it needs. Negative: try
	 * later. */
	int (*on_started)(void *ctx, struct child *c);
	void (*on_ready)(void *ctx, struct child *c);
	void (*on_msg)(void *ctx, struct child *c, struct msg *m);
	/* The process is gone, reaped, its channel freed. how: "killed by signal 9". was_ready: it
	 * had served. */
	void (*on_gone)(void *ctx, struct child *c, const char *how, bool was_ready);
};

struct child_opts {
	uint32_t role, index;
	const char *exe; /* path to execute */
	const char *const *argv; /* for it; borrowed for the child's life */
	uint64_t ready_us; /* how long it may take to say ready */
	uint64_t files_max; /* descriptors it may have open; 0: as the monitor */
	const struct child_events *events;
	void *ctx;
};

int child_new(struct loop *l, const struct child_opts *o, struct child **ret) _must_check_;
/* Kills and reaps the process if there is one. Returns NULL. */
struct child *child_free(struct child *c);
/* Takes over a process that an earlier monitor of this pid started, with our end of its channel
 * (taken): ready, served like any other, and not replaced when it ends. -ESRCH: no child of ours.
 */
int child_adopt(struct child *c, pid_t pid, int channel_fd, uint64_t started_us) _must_check_;
/* Starts the process. Afterwards the child sees to itself. */
int child_start(struct child *c) _must_check_;
/* Ends it for good: `stop` with the deadline, SIGKILL a second after it. on_gone tells the end. */
void child_stop(struct child *c, uint32_t deadline_ms);

/* Ends it for good, but a worker serves what is open first: each connection to the end of its next
 * answer. Then as child_stop(). */
void child_drain(struct child *c, uint32_t deadline_ms);
/* As child_stop(), also of one that has been told to stop or drain: this deadline counts. */
void child_stop_by(struct child *c, uint32_t deadline_ms);

/* Ends the process now; it is replaced as if it had died. */
void child_kill(struct child *c);

bool child_is_adopted(const struct child *c);
/* Its last process ended by a signal, or with another status than 0. */
bool child_has_failed(const struct child *c);
uint32_t child_role(const struct child *c);
uint32_t child_index(const struct child *c);
enum child_state child_state(const struct child *c);
struct channel *child_channel(const struct child *c); /* NULL while there is no process */
pid_t child_pid(const struct child *c); /* 0: none */
unsigned child_restarts(const struct child *c);
uint64_t child_started_us(const struct child *c); /* wall clock of the last start */
/* Pause before the next start after `deaths` in a row that came soon; for the tests. */
uint64_t child_pause_us(unsigned deaths);
